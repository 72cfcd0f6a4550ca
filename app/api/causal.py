"""Causal tokens as a header: what a user has written through one process is seen through every other."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.dependencies import UserIdDep
from app.api.handlers import answer
from app.api.services import services_in, services_of
from app.db.errors import InvalidInputError

NAME: Final = "Causal-Token"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ISSUED: Final = {
    NAME: {
        "description": "Send it with the requests that follow, to any process: they see what this one has written.",
        "required": True,
        "schema": {"type": "string"},
    }
}
_ACCEPTED: Final = {
    "name": NAME,
    "in": "header",
    "description": "The last one that you were given: the answer shows what was written before it.",
    "required": False,
    "schema": {"type": "string"},
}


class CausalTokens:
    """Accepts the token of a request, and adds the user's to every answer to one that may have written."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with a problem if its token is damaged."""
        user_id = scope.get("state", {}).get("user_id") if scope["type"] == "http" else None
        if user_id is None:
            await self._app(scope, receive, send)
            return
        database = services_in(scope).database
        try:
            for token in Headers(scope=scope).getlist(NAME):
                database.accept_causal_token(user_id, token)
        except InvalidInputError as error:
            await answer(error, method=scope["method"], path=scope["path"])(scope, receive, send)
            return

        async def send_with_token(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[NAME] = database.causal_token(user_id)
            await send(message)

        await self._app(scope, receive, send if scope["method"] in _SAFE else send_with_token)


async def _last_token(request: Request, user_id: UserIdDep) -> Callable[[], str] | None:
    database = services_of(request).database
    return (lambda: json.dumps(database.causal_token(user_id))) if database.settings.has_replicas else None


LastTokenDep = Annotated[Callable[[], str] | None, Depends(_last_token)]
"""What gives the token, in JSON, at the end of a streamed answer, whose head is sent before it is stored."""


def document(app: FastAPI) -> None:
    """Add the header to the documentation of every operation of a user."""
    generate = app.openapi

    def documented() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        content = generate()
        for operations in content["paths"].values():
            for method, operation in operations.items():
                if "security" in operation:
                    _add_header(operation, is_issued=method.upper() not in _SAFE)
        return content

    app.openapi = documented  # type: ignore[method-assign]  # as FastAPI documents it


def _add_header(operation: dict[str, Any], *, is_issued: bool) -> None:
    operation.setdefault("parameters", []).append(_ACCEPTED)
    for status, answered in operation["responses"].items():
        if is_issued and status.startswith("2"):
            answered.setdefault("headers", {}).update(_ISSUED)
