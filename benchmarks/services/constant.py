"""The floor: FastAPI, the same token, and an answer whose bytes are already there."""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Response
from starlette.responses import StreamingResponse

from benchmarks.services.plain import UserId, serve

ANSWERS: Final = "BENCHMARK_ANSWERS"
"""The variable that names the file of the answers: another service's, each with `method`, `path` and so on."""
_END_OF_EVENT: Final = "\n\n"


def create_app(answers: list[dict[str, Any]]) -> FastAPI:
    """Return a service that gives these answers."""
    app = FastAPI()
    for found in answers:
        app.add_api_route(
            found["path"].partition("?")[0].format("{conversation_id}"), _handler(found), methods=[found["method"]]
        )
    return app


def _handler(found: dict[str, Any]) -> Callable[..., Awaitable[Response]]:
    text, status, media_type = found["text"], found["status"], found["media_type"]
    body = text.encode()
    events = [f"{part}{_END_OF_EVENT}".encode() for part in text.split(_END_OF_EVENT) if part]

    async def stream() -> AsyncIterator[bytes]:
        for each in events:
            yield each

    async def handle(user_id: UserId) -> Response:  # noqa: ARG001 - its token is verified
        if media_type.startswith("text/event-stream"):
            return StreamingResponse(stream(), status, media_type=media_type)
        return Response(body, status, media_type=media_type)

    return handle


if __name__ == "__main__":
    serve(create_app(json.loads(Path(os.environ[ANSWERS]).read_text())))
