"""Routes of everything that the user has."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.types import Send

from app.api.answers import JsonAnswer
from app.api.dependencies import A_STRING, InDigits, UserIdDep
from app.api.problems import answers
from app.api.services import services_of
from app.db.errors import DataAccessError
from app.db.models.base import MAX_BIGINT
from app.userdata import MEDIA_TYPE, Export, erase_user

_log = logging.getLogger(__name__)
router = APIRouter(prefix="/me", tags=["me"])

EXPORT_TOKEN: Final = "Export-Token"  # noqa: S105 - a header
_PIECE_BYTES: Final = 65_536
_LINES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {MEDIA_TYPE: {"itemSchema": {"type": "object"}}},
        "headers": {EXPORT_TOKEN: {"required": True, "schema": {"type": "string"}}},
    }
}
_SOON: Final = {"Retry-After": "1"}


class Erased(BaseModel):
    """How many rows of each table one request has erased."""

    erased: dict[str, int]


async def _place(request: Request, user_id: UserIdDep) -> AsyncIterator[None]:
    with services_of(request).whole_users.take(user_id):
        yield


# In the scope of the request: the place is given back when the answer has been sent, or the client has hung up.
_ONE_OF_FEW: Final = Depends(_place)

Token = Annotated[str | None, A_STRING, Query(description=f"The `{EXPORT_TOKEN}` of an export that broke off.")]
AfterLines = Annotated[int, Query(ge=0, le=MAX_BIGINT, description="How many whole lines of it you have."), InDigits]


async def _begin(request: Request, user_id: UserIdDep, token: Token = None, after: AfterLines = 0) -> Export:
    return await Export.begin(services_of(request).database, user_id, token=token, after=after)


# A dependency, since it runs before the answer begins: what it raises still has a status of its own.
ExportDep = Annotated[Export, Depends(_begin)]


@router.get(
    "/export", response_class=StreamingResponse, responses={**_LINES, **answers(412)}, dependencies=[_ONE_OF_FEW]
)
async def export(export: ExportDep) -> Response:
    """Export everything that you have: a line of JSON for each row, after a header; the last line says how many.

    Where the stream breaks off, ask again with its `Export-Token` as `token` and the number of whole lines that you
    have as `after`: you get the lines that follow. 412 if rows have been deleted since; then begin again.
    """
    headers = {EXPORT_TOKEN: export.token, "Content-Disposition": 'attachment; filename="export.ndjson"'}
    return _Lines(_in_pieces(export.lines()), headers=headers, media_type=MEDIA_TYPE)


class _Lines(StreamingResponse):
    """Lines of an export. Where the database fails it breaks off: without its end no client takes it for the whole."""

    async def stream_response(self, send: Send) -> None:
        """Send the lines; the server closes a connection whose answer is not complete."""
        try:
            await super().stream_response(send)
        except DataAccessError as error:
            _log.warning("an export broke off: %s: %s", type(error).__name__, error)


async def _in_pieces(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what a slow client reads within API_WRITE_TIMEOUT_SECONDS, for which a page of 8 MB may be too long."""
    async for part in parts:
        for begin in range(0, len(part), _PIECE_BYTES):
            yield part[begin : begin + _PIECE_BYTES]


@router.delete(
    "",
    status_code=204,
    responses={
        202: {"model": Erased, "description": "There is more: repeat the request until the answer is 204."},
        **answers(409),
    },
    dependencies=[_ONE_OF_FEW],
)
async def erase(request: Request, user_id: UserIdDep) -> Response:
    """Delete everything that you have; 204 when nothing is left. There is no way back.

    A request works for a bounded time and then answers 202. 409 if you go on writing meanwhile.
    """
    services, erased = services_of(request), dict[str, int]()
    ends = asyncio.get_running_loop().time() + services.erase_seconds
    async for table, rows in erase_user(services.database, user_id):
        erased[table] = erased.get(table, 0) + rows
        if asyncio.get_running_loop().time() > ends:
            return JsonAnswer(Erased(erased=erased), of=Erased, status=202, headers=_SOON)
    return Response(status_code=204)
