"""PACT's `/footprints`, versions 2 and 3, over the footprints that a reader's file may share."""

# Annotations are evaluated where they stand: what a route depends on is made with the application.

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from warehouse.exchange.pact import SOURCE, Asked, Document, FilterError, parse_filter, parse_moment, read_shared
from warehouse.interface.answers import ERRORS, Refusal, tag_of, tagged
from warehouse.interface.opened import Shelf

DEFAULT_PAGE, LARGEST_PAGE = 100, 1000
_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
Paging = tuple[int | None, int]


class Footprints(BaseModel):
    data: list[dict[str, Any]]


class Footprint(BaseModel):
    data: dict[str, Any]


def _shared(shelf: Shelf, version: int) -> list[Document]:
    return read_shared(shelf.read, version) if SOURCE in shelf.columns else []


def _page(request: Request, shelf: Shelf, found: list[Document], limit: int | None, offset: int) -> Response:
    """Some of the documents, with the link to the rest where there is one."""
    size = min(DEFAULT_PAGE if limit is None else limit, LARGEST_PAGE)
    headers = {}
    if offset + size < len(found):
        kept = [(name, value) for name, value in request.query_params.multi_items() if name not in ("limit", "offset")]
        asked = urlencode([*kept, ("limit", size or DEFAULT_PAGE), ("offset", offset + size)])
        headers["Link"] = f'<{request.url.replace(query=asked)}>; rel="next"'
    return tagged(request, tag_of(request, shelf.release_id, shelf.reader.name), {"data": found[offset : offset + size]}, headers)


def _one(request: Request, shelf: Shelf, version: int, identifier: str) -> Response:
    for document in _shared(shelf, version):
        if str(document["id"]).lower() == identifier.lower():
            return tagged(request, tag_of(request, shelf.release_id, shelf.reader.name), {"data": document})
    raise Refusal(404, "NotFound", "没有这份足迹 / there is no such footprint")


def add_footprint_routes(app: FastAPI, ask: Callable[..., Shelf]) -> None:
    mine = Annotated[Shelf, Depends(ask)]
    limits = Annotated[int | None, Query(ge=0, le=2**31 - 1)]
    offsets = Annotated[int, Query(ge=0, le=2**31 - 1, include_in_schema=False)]
    identifiers = Annotated[str, Path(pattern=_UUID)]
    listed: dict[int | str, dict[str, Any]] = {403: ERRORS[403], 503: ERRORS[503]}

    @app.get("/3/footprints", tags=["footprint"], response_model=Footprints, responses=listed, summary="ListFootprints (PACT 3)")
    def list_3(
        request: Request,
        shelf: mine,
        limit: limits = None,
        offset: offsets = 0,
        product_id: Annotated[list[str], Query(alias="productId")] = [],  # noqa: B006 - FastAPI copies it
        company_id: Annotated[list[str], Query(alias="companyId")] = [],  # noqa: B006
        geography: Annotated[list[str], Query()] = [],  # noqa: B006
        classification: Annotated[list[str], Query()] = [],  # noqa: B006
        valid_on: Annotated[str | None, Query(alias="validOn", json_schema_extra={"format": "date-time"})] = None,
        valid_after: Annotated[str | None, Query(alias="validAfter", json_schema_extra={"format": "date-time"})] = None,
        valid_before: Annotated[str | None, Query(alias="validBefore", json_schema_extra={"format": "date-time"})] = None,
        status: Annotated[str | None, Query(pattern="(?i)^(active|deprecated)$")] = None,
    ) -> Response:
        try:
            on, after, before = (parse_moment(text) if text is not None else None for text in (valid_on, valid_after, valid_before))
        except FilterError as error:
            raise Refusal(400, "BadRequest", str(error)) from error
        asked = Asked(product_id, company_id, geography, classification, on, after, before, status)
        return _page(request, shelf, [document for document in _shared(shelf, 3) if asked.admits(document)], limit, offset)

    @app.get(
        "/3/footprints/{id}", tags=["footprint"], response_model=Footprint, responses=listed | {404: ERRORS[404]},
        summary="GetFootprint (PACT 3)",
    )  # fmt: skip
    def get_3(request: Request, id: identifiers, shelf: mine) -> Response:
        return _one(request, shelf, 3, id)

    @app.get("/2/footprints", tags=["footprint"], response_model=Footprints, responses=listed, summary="ListFootprints (PACT 2)")
    def list_2(
        request: Request,
        shelf: mine,
        limit: limits = None,
        offset: offsets = 0,
        odata: Annotated[str | None, Query(alias="$filter", max_length=2000)] = None,
    ) -> Response:
        found = _shared(shelf, 2)
        if odata:
            try:
                admits = parse_filter(odata)
                found = [document for document in found if admits(document)]
            except FilterError as error:
                raise Refusal(400, "BadRequest", str(error)) from error
        return _page(request, shelf, found, limit, offset)

    @app.get(
        "/2/footprints/{id}", tags=["footprint"], response_model=Footprint, responses=listed | {404: ERRORS[404]},
        summary="GetFootprint (PACT 2)",
    )  # fmt: skip
    def get_2(request: Request, id: identifiers, shelf: mine) -> Response:
        return _one(request, shelf, 2, id)

    for version in (2, 3):

        @app.post(
            f"/{version}/events", tags=["footprint"], responses=listed, summary=f"Events (PACT {version})", operation_id=f"events_{version}"
        )
        def take_event(shelf: mine) -> Response:
            """Requests for footprints are not answered here: what may be shared is listed already."""
            raise Refusal(400, "NotImplemented", "只读接口不收事件 / a read-only interface takes no events")
