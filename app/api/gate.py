"""What is refused by its head alone, before any of its body is read."""

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import AmbiguousHeaderError, ApiError, BodyTooLargeError, UnsupportedMediaTypeError
from app.api.problems import problem_of, problem_response

_JSON: Final = "application/json"
# Of two of these one would be obeyed and one ignored: a proxy may obey the other.
_ONCE: Final = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match")


class Gate:
    """Refuses a body that is too long or no JSON, and headers that contradict each other.

    FastAPI's own `max_body_size` counts what arrives without a declared length; with one it would answer plain text.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400, 413 or 415, or pass the request on."""
        error = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        if error is None:
            await self._app(scope, receive, send)
            return
        kind, problem = problem_of(error)
        await problem_response(problem, {**kind.headers, "Connection": "close"})(scope, receive, send)

    def _refusal(self, headers: Headers) -> ApiError | None:
        repeated = [name for name in _ONCE if len(headers.getlist(name)) > 1]
        if repeated:
            return AmbiguousHeaderError(f"{', '.join(repeated)}: only once")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._max_body_bytes:
            return BodyTooLargeError(f"at most {self._max_body_bytes:,} bytes are read")
        has_body = length != "0" or "transfer-encoding" in headers
        return UnsupportedMediaTypeError() if has_body and not _is_plain_json(headers) else None


def _is_plain_json(headers: Headers) -> bool:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == _JSON and headers.get("content-encoding", "identity") == "identity"
