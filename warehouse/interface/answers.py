"""How the interface answers: errors by PACT's model, tags by release, values as JSON."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

Code = Literal["BadRequest", "AccessDenied", "TokenExpired", "NotFound", "InternalError", "NotImplemented"]


class Error(BaseModel):
    """PACT's error: a code of its list, and a sentence."""

    code: Code
    message: str


class Refusal(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, code: Code, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}

    def answer(self) -> JSONResponse:
        return JSONResponse({"code": self.code, "message": self.message}, self.status, self.headers)


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": text}
    for status, text in (
        (400, "请求有误 / the request cannot be understood"),
        (401, "没有有效的密钥 / no valid key"),
        (403, "不允许 / not allowed"),
        (404, "没有 / not found"),
        (429, "请求过多 / too many requests"),
        (500, "内部错误 / internal error"),
        (503, "尚无发布 / nothing is released yet"),
    )
}


def as_json(value: Any) -> Any:
    """A mart's value as JSON: instants in UTC with Z, days as ISO dates, what is no number as null."""
    if isinstance(value, datetime):
        return value.isoformat() + ("Z" if value.tzinfo is None else "")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def tag_of(request: Request, release_id: str, reader: str) -> str:
    """The tag of an answer: it changes with the release and with nothing else, for one reader and one question."""
    asked = f"{release_id}\n{reader}\n{request.url.path}\n{request.url.query}\n{request.headers.get('host', '')}"
    return f'"{release_id}-{hashlib.sha256(asked.encode()).hexdigest()[:16]}"'


def tagged(request: Request, tag: str, body: Any, headers: dict[str, str] | None = None) -> Response:
    """The answer with its tag, or 304 where the asker has it already."""
    sent = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, X-API-Key"} | (headers or {})
    given = [part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")]
    if tag in given or "*" in given:
        return Response(status_code=304, headers=sent)
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, default=as_json, separators=(",", ":"))
    return Response(text, media_type="application/json", headers=sent)


def next_link(request: Request, offset: int, limit: int) -> str:
    """The `Link` header to the rest, absolute and on the host that was asked."""
    url = request.url.include_query_params(offset=offset, limit=limit)
    return f'<{url}>; rel="next"'
