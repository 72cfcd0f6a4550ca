"""A reply as server-sent events."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Final

from app.api.errors import ApiError
from app.api.problems import problem_of
from app.api.replies.reply import Reply
from app.db.errors import DataAccessError

MEDIA_TYPE: Final = "text/event-stream"
_STILL_HERE: Final = b": still here\n\n"


async def events(reply: Reply, last_token: Callable[[], str] | None = None) -> AsyncIterator[bytes]:
    """Yield a `piece` for each part of the text, then the stored `message`, or the `problem`.

    The `causal-token` of `last_token` comes before the message: it covers the reply itself.
    """
    async for piece in reply.read():
        yield _event("piece", json.dumps(piece)) if piece else _STILL_HERE
    try:
        stored = await reply.stored()
        if last_token:
            yield _event("causal-token", last_token())
        yield _event("message", stored.model_dump_json())
    except (ApiError, DataAccessError) as error:
        yield _event("problem", problem_of(error)[1].model_dump_json(exclude_none=True))


def _event(name: str, data: str) -> bytes:
    # JSON has no line breaks of its own: one `data` line is enough.
    return f"event: {name}\ndata: {data}\n\n".encode()
