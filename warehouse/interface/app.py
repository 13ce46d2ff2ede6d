"""The application: what is asked over HTTP of a reader's own file, and of nothing else."""

# Annotations are evaluated where they stand: what a route depends on is made with the application.

import base64
import binascii
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from starlette.exceptions import HTTPException

from warehouse.interface.answers import ERRORS, Code, Refusal, next_link, tag_of, tagged
from warehouse.interface.footprints import add_footprint_routes
from warehouse.interface.keys import TOKEN_SECONDS, Client, Doorkeeper, Pace, TokenExpired
from warehouse.interface.marts import Mart, MartPage, ReleaseAnswer, describe_mart, describe_release, read_page
from warehouse.interface.opened import Shelf, Shelves
from warehouse.reading.files import UnknownReader
from warehouse.settings import Settings

VERSION = "1.0.0"
_LOG = logging.getLogger(__name__)
LONGEST_BODY = 64 * 1024
_CODES: dict[int, Code] = {400: "BadRequest", 401: "AccessDenied", 403: "AccessDenied", 404: "NotFound", 405: "BadRequest"}
_NO_FILE = "现行发布中没有读者 {reader} 的文件 / the release in force holds no file for {reader}"
_READ: dict[int | str, dict[str, Any]] = {403: ERRORS[403], 503: ERRORS[503]}
_ASKS = {"WWW-Authenticate": "Bearer"}


def make_app(settings: Settings, doorkeeper: Doorkeeper, per_minute: int) -> FastAPI:
    """The interface over the releases of a data directory. Documentation pages are left out: theirs would load scripts from elsewhere."""
    shelves = Shelves(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        shelves.close()

    app = FastAPI(
        title="Tanlian 碳联",
        version=VERSION,
        description="只读接口：每个密钥只读它自己读者的文件 / read-only: a key reads its own reader's file and nothing else",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses={code: ERRORS[code] for code in (400, 401, 429, 500)},
    )
    ask = _make_asker(doorkeeper, Pace(per_minute), shelves)
    _add_error_answers(app)
    _add_token_route(app, doorkeeper, Pace(min(per_minute, 60)))
    _add_mart_routes(app, ask)
    add_footprint_routes(app, ask)
    return app


Asker = Callable[..., Shelf]


def _make_asker(doorkeeper: Doorkeeper, pace: Pace, shelves: Shelves) -> Asker:
    """What every route depends on: who asks, whether it is not too often, and the file that is theirs."""
    bearer = HTTPBearer(auto_error=False, description="密钥，或 /auth/token 给的令牌 / a key, or a token of /auth/token")
    header = APIKeyHeader(name="X-API-Key", auto_error=False)

    def ask(
        token: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)] = None,
        key: Annotated[str | None, Depends(header)] = None,
    ) -> Shelf:
        client = _find_client(doorkeeper, token.credentials if token else None, key)
        wait = pace.wait_seconds(client.name)
        if wait:
            raise Refusal(429, "BadRequest", "请求过多，请稍候 / too many requests", {"Retry-After": str(int(wait) + 1)})
        try:
            with shelves.of(client.reader) as shelf:
                if shelf is None:
                    raise Refusal(503, "NotFound", "尚无可读的发布 / there is no release to read yet")
                return shelf
        except UnknownReader as error:  # whose files there are besides is not told: a key is of one reader
            raise Refusal(403, "AccessDenied", _NO_FILE.format(reader=client.reader.name)) from error

    return ask


def _find_client(doorkeeper: Doorkeeper, token: str | None, key: str | None) -> Client:
    try:
        client = doorkeeper.by_key(key) if key else None
        if client is None and token:
            client = doorkeeper.by_key(token) or doorkeeper.by_token(token)
    except TokenExpired as error:
        raise Refusal(401, "TokenExpired", "令牌已过期 / the token has expired", _ASKS) from error
    if client is None:
        raise Refusal(401, "AccessDenied", "没有有效的密钥 / no valid key", _ASKS)
    return client


def _add_error_answers(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refuse(_: Request, refusal: Refusal) -> JSONResponse:
        return refusal.answer()

    @app.exception_handler(RequestValidationError)
    async def misunderstand(_: Request, error: RequestValidationError) -> JSONResponse:
        places = "; ".join(f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()[:5])
        return Refusal(400, "BadRequest", places).answer()

    @app.exception_handler(HTTPException)
    async def pass_on(_: Request, error: HTTPException) -> JSONResponse:
        return Refusal(
            error.status_code, _CODES.get(error.status_code, "BadRequest"), str(error.detail), dict(error.headers or {})
        ).answer()

    @app.exception_handler(Exception)
    async def break_down(_: Request, error: Exception) -> JSONResponse:
        _LOG.error("request failed", exc_info=error)
        return Refusal(500, "InternalError", "内部错误 / internal error").answer()

    @app.middleware("http")
    async def guard(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.headers.get("transfer-encoding") or int(_plain_length(request)) > LONGEST_BODY:
            return Refusal(400, "BadRequest", "请求体过长 / the body is too long").answer()
        answer = await proceed(request)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer


def _plain_length(request: Request) -> str:
    length = request.headers.get("content-length", "0")
    return length if re.fullmatch(r"\d{1,12}", length) else "0"


def _add_token_route(app: FastAPI, doorkeeper: Doorkeeper, pace: Pace) -> None:
    @app.post(
        "/auth/token",
        tags=["auth"],
        summary="OAuth 2 客户端凭据 / client credentials",
        openapi_extra={
            "requestBody": {
                "content": {
                    "application/x-www-form-urlencoded": {
                        "schema": {
                            "type": "object",
                            "properties": {"grant_type": {"type": "string", "enum": ["client_credentials"]}},
                            "required": ["grant_type"],
                        }
                    }
                },
                "required": True,
            },
            "security": [{"Basic": []}],
        },
    )
    async def token(request: Request) -> JSONResponse:
        wait = pace.wait_seconds(request.client.host if request.client else "")
        if wait:
            raise Refusal(429, "BadRequest", "请求过多，请稍候 / too many requests", {"Retry-After": str(int(wait) + 1)})
        body = parse_qs((await request.body()).decode("utf-8", "replace"))
        name, key = _basic(request.headers.get("authorization", ""))
        client = doorkeeper.by_key(key, name) if key else None
        if client is None:
            return JSONResponse(
                {"error": "invalid_client", "code": "AccessDenied", "message": "invalid_client"}, 401, {"WWW-Authenticate": "Basic"}
            )
        if body.get("grant_type") != ["client_credentials"]:
            return JSONResponse({"error": "unsupported_grant_type", "code": "BadRequest", "message": "unsupported_grant_type"}, 400)
        given = {"access_token": doorkeeper.give_token(client), "token_type": "bearer", "expires_in": TOKEN_SECONDS}
        return JSONResponse(given, headers={"Cache-Control": "no-store"})


def _basic(header: str) -> tuple[str, str]:
    """Name and key of HTTP Basic; empty where there is none."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, key = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, key


def _add_mart_routes(app: FastAPI, ask: Asker) -> None:
    """The release and its marts, as the reader's file holds them."""
    mine = Annotated[Shelf, Depends(ask)]

    @app.get("/v1/release", tags=["marts"], response_model=ReleaseAnswer, responses=_READ, summary="发布版 / the release")
    def get_release(request: Request, shelf: mine) -> Response:
        return tagged(request, tag_of(request, shelf.release_id, shelf.reader.name), describe_release(shelf))

    @app.get("/v1/marts", tags=["marts"], response_model=list[Mart], responses=_READ, summary="指标表 / the marts")
    def list_marts(request: Request, shelf: mine) -> Response:
        marts = [describe_mart(shelf, name) for name in shelf.columns]
        return tagged(request, tag_of(request, shelf.release_id, shelf.reader.name), marts)

    @app.get(
        "/v1/marts/{mart}",
        tags=["marts"],
        response_model=MartPage,
        responses=_READ | {404: ERRORS[404]},
        summary="一张指标表的行；其他查询参数为“列=值” / rows of a mart; any other parameter is column=value",
    )
    def get_mart(
        request: Request,
        mart: str,
        shelf: mine,
        limit: Annotated[int, Query(ge=1, le=5000)] = 500,
        offset: Annotated[int, Query(ge=0, le=2**40)] = 0,
    ) -> Response:
        page: dict[str, Any] = read_page(shelf, mart, request.query_params.multi_items(), limit, offset)
        headers = {"Link": next_link(request, offset + limit, limit)} if page.pop("has_more") else None
        return tagged(request, tag_of(request, shelf.release_id, shelf.reader.name), page, headers)
