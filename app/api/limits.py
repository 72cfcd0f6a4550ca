"""What is too much to read."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import BodyTooLargeError
from app.api.problems import problem_of, problem_response


class DeclaredBodyLimit:
    """Refuses a request that says its body is too long, before any of it is read.

    FastAPI's own `max_body_size` counts what arrives without a declared length; with one it would answer plain text.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413, or pass the request on."""
        declared = Headers(scope=scope).get("content-length", "") if scope["type"] == "http" else ""
        if not declared.isdecimal() or int(declared) <= self._max_body_bytes:
            await self._app(scope, receive, send)
            return
        kind, problem = problem_of(BodyTooLargeError(f"at most {self._max_body_bytes:,} bytes are read"))
        await problem_response(problem, {**kind.headers, "Connection": "close"})(scope, receive, send)
