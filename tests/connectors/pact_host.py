"""A PACT host as the specifications 2.3 and 3.0 describe it, with a list of things to do wrong first."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

CLIENT = "collector"
Answer = Callable[[Request], Response]


def footprint_3(number: int) -> dict[str, Any]:
    """A small footprint of version 3."""
    return {
        "id": str(uuid.UUID(int=number)),
        "specVersion": "3.0.0",
        "created": "2025-03-01T00:00:00Z",
        "status": "Active",
        "companyName": "示例钢铁",
        "companyIds": ["urn:company:example:steel"],
        "productDescription": "hot-rolled coil",
        "productIds": [f"urn:product:example:{number}"],
        "productNameCompany": "coil",
        "pcf": {
            "declaredUnitOfMeasurement": "kilogram",
            "declaredUnitAmount": "1",
            "productMassPerDeclaredUnit": "1",
            "referencePeriodStart": "2024-01-01T00:00:00Z",
            "referencePeriodEnd": "2025-01-01T00:00:00Z",
            "geographyCountry": "CN",
            "pcfExcludingBiogenicUptake": f"{1 + number / 10_000:.4f}",
            "pcfIncludingBiogenicUptake": f"{1 + number / 10_000:.4f}",
            "fossilGhgEmissions": "1.5",
            "fossilCarbonContent": "0",
            "ipccCharacterizationFactors": ["AR6"],
            "crossSectoralStandards": ["PACT-3.0"],
            "exemptedEmissionsPercent": "0",
            "primaryDataShare": "50",
        },
    }


def footprint_2(number: int) -> dict[str, Any]:
    """A small footprint of version 2.3."""
    return {
        "id": str(uuid.UUID(int=number)),
        "specVersion": "2.3.0",
        "version": 0,
        "created": "2025-03-01T00:00:00Z",
        "status": "Active",
        "companyName": "示例钢铁",
        "companyIds": ["urn:company:example:steel"],
        "productDescription": "hot-rolled coil",
        "productIds": [f"urn:product:example:{number}"],
        "productCategoryCpc": "41211",
        "productNameCompany": "coil",
        "comment": "",
        "pcf": {
            "declaredUnit": "kilogram",
            "unitaryProductAmount": "1",
            "pCfExcludingBiogenic": f"{1 + number / 10_000:.4f}",
            "fossilGhgEmissions": "1.5",
            "fossilCarbonContent": "0",
            "biogenicCarbonContent": "0",
            "characterizationFactors": "AR6",
            "ipccCharacterizationFactorsSources": ["AR6"],
            "crossSectoralStandardsUsed": ["GHG Protocol Product standard"],
            "boundaryProcessesDescription": "",
            "referencePeriodStart": "2024-01-01T00:00:00Z",
            "referencePeriodEnd": "2025-01-01T00:00:00Z",
            "exemptedEmissionsPercent": 0,
            "exemptedEmissionsDescription": "",
            "packagingEmissionsIncluded": False,
            "geographyCountry": "CN",
            "primaryDataShare": 50,
        },
    }


MAKERS = {2: footprint_2, 3: footprint_3}


@dataclass
class Host:
    """What the host holds and does; `faults` are answered first, one per request for footprints."""

    version: int
    secret: str
    footprints: list[dict[str, Any]] = field(default_factory=list)
    page_size: int = 500
    faults: list[Answer] = field(default_factory=list)
    link: Callable[[str], str] = str
    has_document: bool = True
    tokens: list[str] = field(default_factory=list)
    token_life: int = 3600
    requests: list[str] = field(default_factory=list)
    token_requests: int = 0
    document: dict[str, Any] | None = None
    address: str = ""

    def expire(self) -> None:
        self.tokens.clear()


def error(status: int, code: str, **headers: str) -> Answer:
    return lambda request: JSONResponse({"code": code, "message": "said the host"}, status, headers)


def raw(body: bytes, kind: str = "application/json", **headers: str) -> Answer:
    return lambda request: Response(body, 200, headers, kind)


def cut(body: bytes) -> Answer:
    """An answer that ends before its length, as by a broken connection."""

    def answer(request: Request) -> Response:
        async def half() -> Any:
            yield body[: len(body) // 2]
            await asyncio.sleep(0.01)

        return StreamingResponse(half(), 200, {"Content-Length": str(len(body))}, "application/json")

    return answer


def make_host(host: Host) -> FastAPI:
    app = FastAPI()
    number = itertools.count(1)

    @app.get("/sub/.well-known/openid-configuration")
    async def configuration(request: Request) -> Response:
        if not host.has_document:
            return JSONResponse({"code": "NotFound", "message": ""}, 404)
        return JSONResponse(host.document or {"issuer": f"{host.address}/sub", "token_endpoint": f"{host.address}/oidc/token"})

    @app.post("/oidc/token" if host.has_document else "/sub/auth/token")
    async def authenticate(request: Request) -> Response:
        host.token_requests += 1
        kind, _, text = request.headers.get("Authorization", "").partition(" ")
        login, _, password = base64.b64decode(text).decode().partition(":")
        body = (await request.body()).decode()
        if kind != "Basic" or (unquote(login), unquote(password)) != (CLIENT, host.secret) or body != "grant_type=client_credentials":
            return JSONResponse({"error": "invalid_client", "error_description": f"not {text}"}, 400)
        host.tokens.append(f"token-{host.secret}-{next(number)}")
        return JSONResponse({"access_token": host.tokens[-1], "token_type": "Bearer", "expires_in": host.token_life})

    def check(request: Request) -> Response | None:
        host.requests.append(str(request.url.path) + ("?" + request.url.query if request.url.query else ""))
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in host.tokens:
            return JSONResponse({"code": "TokenExpired", "message": "expired"}, 401)
        return host.faults.pop(0)(request) if host.faults else None

    @app.get(f"/sub/{host.version}/footprints")
    async def list_footprints(request: Request) -> Response:
        if (refusal := check(request)) is not None:
            return refusal
        start = int(request.query_params.get("offset", "0"))
        size = min(host.page_size, int(request.query_params.get("limit", "1000")))
        headers = {}
        if start + size < len(host.footprints):
            following = request.url.include_query_params(offset=start + size)
            headers["Link"] = f'<{host.link(str(following))}>; rel="next"'
        return JSONResponse({"data": host.footprints[start : start + size]}, 200, headers)

    @app.get(f"/sub/{host.version}/footprints/{{item}}")
    async def get_footprint(request: Request, item: str) -> Response:
        if (refusal := check(request)) is not None:
            return refusal
        found = [footprint for footprint in host.footprints if footprint["id"] == item]
        return JSONResponse({"data": found[0]}) if found else error(404, "NotFound")(request)

    return app


def data_of(page: bytes) -> list[dict[str, Any]]:
    return json.loads(page)["data"]
