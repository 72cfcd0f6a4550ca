"""The service as its clients see it: in this process, or behind a real socket."""

import asyncio
import base64
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import httpx
import jwt
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import ApiSettings, create_app
from app.api.server import LimitedServer
from app.api.services import Services
from app.db import DatabaseSettings

SECRET = "a secret for tests: 2f6d0c1b9ae84357"
ISSUER = "https://issuer.test"
AUDIENCE = "tasks"
VALID_SECONDS = 24 * 3600
"""Tests are imported, some with a token of theirs, long before a whole run comes to them."""


class Running(NamedTuple):
    """A running service: its address, and what its lifespan made."""

    services: Services
    asgi: ASGIApp

    @property
    def transport(self) -> httpx.AsyncBaseTransport:
        """The transport that its clients use."""
        return httpx.ASGITransport(self.asgi, raise_app_exceptions=False)

    def client(self, user_id: str | None = None) -> httpx.AsyncClient:
        """Return a client, with a token of the user if one is named."""
        headers = {"Authorization": f"Bearer {token(user_id)}"} if user_id else {}
        return httpx.AsyncClient(transport=self.transport, base_url="http://test", headers=headers, timeout=60)


def api_settings(**changes: Any) -> ApiSettings:
    """Return settings with a known secret."""
    values: dict[str, Any] = {
        "jwt_secret": SecretStr(SECRET),
        "jwt_issuer": ISSUER,
        "jwt_audience": AUDIENCE,
        "docs": True,
    }
    return ApiSettings(**(values | changes))


def token(user_id: str, *, key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **claims: Any) -> str:
    """Return a token as the issuer would; a claim of None is left out."""
    values = {"sub": user_id, "iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + VALID_SECONDS} | claims
    kept = {name: value for name, value in values.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def unsigned(user_id: str, *, algorithm: str = "none") -> str:
    """Return a token without a signature."""
    claims = {"sub": user_id, "iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + VALID_SECONDS}
    parts = [json.dumps(part).encode() for part in ({"alg": algorithm, "typ": "JWT", "kid": "rsa"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[Running]:
    """Run `app` and its lifespan without a socket; httpx's transport does not run lifespans."""
    async with app.router.lifespan_context(app) as state:
        assert state is not None

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        yield Running(state["services"], with_state)


def in_process(
    url: str, *, database: dict[str, Any] | None = None, **settings: Any
) -> AbstractAsyncContextManager[Running]:
    """Run the service with these settings, without a socket."""
    return running(create_app(api_settings(**settings), database=DatabaseSettings(url=url, **(database or {}))))


@contextmanager
def served(app: FastAPI, settings: ApiSettings | None = None) -> Iterator[str]:
    """Run the service on a free loopback port, in a thread with its own loop; return its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # On a busy machine a client may send on a connection at the moment when the server closes it as idle.
        options = {"log_level": "error", "timeout_keep_alive": 120}
        server = LimitedServer(app, settings or api_settings(), grace_seconds=20, **options)
        thread = threading.Thread(target=lambda: server.run([listener]))
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive(), "the server did not end"


@asynccontextmanager
async def served_app(url: str, *, database: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[httpx.URL]:
    """Run the service with these settings behind a real socket and return its address."""
    chosen = api_settings(**settings)
    server = served(create_app(chosen, database=DatabaseSettings(url=url, **(database or {}))), chosen)
    address = await asyncio.to_thread(server.__enter__)
    try:
        yield httpx.URL(address)
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


def bearer(user_id: str) -> dict[str, str]:
    """Return the header of a user's requests."""
    return {"Authorization": f"Bearer {token(user_id)}"}
