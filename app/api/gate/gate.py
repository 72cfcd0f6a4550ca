"""The gate: nothing reaches a route that is too large, ambiguous, without a token, or one too many."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import ApiError, NotAuthenticatedError
from app.api.gate.body import check_json, read_body, replayed, too_large
from app.api.gate.body_limits import BodyLimits
from app.api.gate.head import Head, check_head, declared_length, has_body
from app.api.handlers import answer
from app.api.services import services_in
from app.api.settings import ApiSettings
from app.api.shares import Place
from app.db.driver.redaction import forget_frames
from app.db.errors import DataAccessError

_BEARER: Final = "bearer"


class Gate:
    """Decides by the head, then by the token, then by the body, and lets nothing be read before it has to be.

    Every path needs a token but those in `public`. Every body may have 64 kB, and `max_body_bytes` where the fields
    that `openapi` documents may be longer. A route reads whose request it is in `request.state.user_id`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: ApiSettings,
        public: frozenset[str],
        openapi: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._app = app
        self._settings = settings
        self._public = public
        self._body_limits = BodyLimits(openapi, most=settings.max_body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a problem, or pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        services = services_in(scope)
        try:
            head = check_head(scope)
            user_id = await self._user_id(scope, head)
            places = [] if user_id is None else [services.requests.take(user_id)]
        except (ApiError, DataAccessError) as error:
            await _refuse(error, scope, receive, send)
            return
        scope["state"]["user_id"] = user_id
        try:
            await self._pass_with_body(scope, head, receive, _giving_back(places, send), places)
        finally:
            _give_back(places)

    async def _user_id(self, scope: Scope, head: Head) -> str | None:
        if _path_within(scope) in self._public:
            return None
        token = _take_token(scope, head)
        try:
            return await services_in(scope).tokens.user_id(token)
        except BaseException as error:
            forget_frames(error)  # those of the verification hold the token
            raise
        finally:
            del token

    async def _pass_with_body(
        self, scope: Scope, head: Head, receive: Receive, send: Send, places: list[Place]
    ) -> None:
        if not has_body(head):
            await self._app(scope, receive, send)
            return
        try:
            body = await self._body(scope, declared_length(head), receive, places)
        except ApiError as error:
            await _refuse(error, scope, receive, send)
            return
        if body is not None:
            await self._app(scope, replayed(body, receive), send)

    async def _body(self, scope: Scope, declared: int | None, receive: Receive, places: list[Place]) -> bytes | None:
        limit = self._body_limits.of(scope["method"], _path_within(scope), declared)
        if declared is not None and declared > limit:
            raise too_large(limit)

        def take_place() -> None:
            if user_id := scope["state"]["user_id"]:
                places.append(services_in(scope).long_bodies.take(user_id))

        seconds = self._settings.body_timeout_seconds
        body = await read_body(receive, limit=limit, seconds=seconds, when_long=take_place)
        if body is not None:
            check_json(body)
        return body


def _give_back(places: list[Place]) -> None:
    while places:
        places.pop().give_back()


def _giving_back(places: list[Place], send: Send) -> Send:
    """Return a `send` that gives the places back with the last byte: the client may send its next request at once."""

    async def send_and_give_back(message: Message) -> None:
        await send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            _give_back(places)

    return send_and_give_back


def _take_token(scope: Scope, head: Head) -> str:
    """Return the token and take it out of the request: an error collector records the headers with every frame."""
    scheme, _, token = head.pop("authorization", "").partition(" ")
    kept = [(name, value) for name, value in scope["headers"] if name.lower() != b"authorization"]
    if isinstance(scope["headers"], list):
        scope["headers"][:] = kept  # the server's own list
    else:
        scope["headers"] = kept
    if scheme.lower() != _BEARER or not token.strip():
        raise NotAuthenticatedError
    return token.strip()


def _path_within(scope: Scope) -> str:
    """Return the path that the routes are compared with: without the prefix of a mount or of a proxy."""
    path, prefix = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(prefix) :] if prefix and path.startswith(f"{prefix}/") else path


async def _refuse(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    response = answer(error, method=scope["method"], path=scope["path"])
    if not _is_short(Headers(scope=scope)):
        MutableHeaders(raw=response.raw_headers)["Connection"] = "close"
    await response(scope, receive, send)


def _is_short(headers: Headers) -> bool:
    """Return whether the server discards the rest of the body and serves on; of a long one it reads no more.

    Closed with a part unread, the connection is reset: a proxy that still sends reports a 502 instead of our answer.
    """
    length = headers.get("content-length", "0")
    return "transfer-encoding" not in headers and length.isdecimal() and len(length) <= len("9999999")
