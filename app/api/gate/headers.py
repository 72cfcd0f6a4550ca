"""The headers of every answer."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What is answered is one user's: no cache keeps it, and no browser guesses another type for it.
_HEADERS: Final = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
_NAMES: Final = frozenset(name for name, _ in _HEADERS)


class FixedHeaders:
    """Adds them to every answer: of a route, of the gate, of the framework."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the answer back with the headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [one for one in message.get("headers", ()) if one[0].lower() not in _NAMES]
                message["headers"] = [*kept, *_HEADERS]
            await send(message)

        await self._app(scope, receive, send_with_headers)
