"""The body of a request: read within limits, and JSON that can be read in one way only."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from starlette.types import Message, Receive

from app.api.errors import BadRequestError, BodyTooLargeError, SlowBodyError
from app.api.gate.body_limits import SMALL_BODY_BYTES

_MAX_MEMBERS: Final = 100
# A string that is never closed counts as one: otherwise each quote in it would begin a search of its own.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)


async def read_body(receive: Receive, *, limit: int, seconds: float, when_long: Callable[[], object]) -> bytes | None:
    """Return the body, or None if the client hangs up; raises `BodyTooLargeError`, `SlowBodyError`.

    `when_long` is called once, as soon as more than 64 kB have arrived.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                was_short = len(body) <= SMALL_BODY_BYTES
                body += message.get("body", b"")
                if was_short and len(body) > SMALL_BODY_BYTES:
                    when_long()
                if len(body) > limit:
                    raise too_large(limit)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise SlowBodyError from None


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives `body` first."""
    unread = [body]

    async def receive_again() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return receive_again


def too_large(limit: int) -> BodyTooLargeError:
    """Return the error for a body longer than `limit`."""
    return BodyTooLargeError(f"at most {limit:,} bytes are read here")


def check_json(body: bytes) -> None:
    """Raise `BadRequestError` unless `body` is empty or one JSON document in UTF-8 without repeated names.

    Outside of its strings a document may have 64 kB: every list and number in it costs up to 100 times its length.
    """
    if len(body) > SMALL_BODY_BYTES and _has_much_outside_of_strings(body):
        raise BadRequestError(f"JSON: at most {SMALL_BODY_BYTES:,} bytes outside of strings")
    if not body:
        return
    try:
        json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise BadRequestError("JSON: nested too deeply") from None
    except ValueError:
        raise BadRequestError("the body is not JSON in UTF-8") from None


def _has_much_outside_of_strings(body: bytes) -> bool:
    outside = end = 0
    for string in _STRING.finditer(body):
        outside += string.start() - end + len(b'""')
        end = string.end()
        if outside > SMALL_BODY_BYTES:
            return True
    return outside + len(body) - end > SMALL_BODY_BYTES


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise BadRequestError("JSON: each name only once in an object")
    if len(found) > _MAX_MEMBERS:
        raise BadRequestError(f"JSON: at most {_MAX_MEMBERS} names in an object")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
