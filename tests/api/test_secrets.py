"""No token reaches an error collector, neither in a text nor in a variable of any frame."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message, Scope

from app.api import ApiSettings, create_app
from app.api.errors import KeysUnavailableError
from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from tests.api.support import SECRET, api_settings, token
from tests.support.collector import recorded_by, recorded_of

DATABASE = DatabaseSettings(url="postgresql://ada:pw@127.0.0.1:1/app", retry_seconds=0.5)


def _scope(path: str, given: str, headers: Callable[[Any], Any]) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "client": None,
        "server": None,
        "headers": headers([(b"host", b"test"), (b"authorization", f"Bearer {given}".encode())]),
    }


async def _request(app: FastAPI, path: str, given: str, *, headers: Callable[[Any], Any] = list) -> int:
    """Send a request as a server does; return the status."""
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async with app.router.lifespan_context(app) as state:
        await app({**_scope(path, given, headers), "state": dict(state or {})}, receive, send)
    return statuses[0]


@pytest.mark.parametrize("headers", [list, tuple], ids=["list", "tuple"])
async def test_a_failing_route_shows_no_token(headers: Callable[[Any], Any]) -> None:
    """The exception that the server logs passes through the frames of every middleware, which hold the headers."""
    app = create_app(api_settings(), database=DATABASE)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a mistake of the application")

    given = token("ada")
    with pytest.raises(RuntimeError) as failed:
        await _request(app, "/broken", given, headers=headers)
    recorded = recorded_of(failed.value)
    assert "http_version" in recorded  # the frames exist and hold the request
    assert not any(secret in recorded for secret in (given, SECRET))


@pytest.mark.parametrize("path", ["/tasks", "/conversations"])
async def test_an_unreachable_database_shows_no_token(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """A 503 is logged with its error."""
    caplog.set_level(logging.DEBUG)
    given = token("ada")
    assert await _request(create_app(api_settings(), database=DATABASE), path, given) == 503
    assert caplog.records
    recorded = recorded_by(caplog.records)
    assert not any(secret in recorded for secret in (given, SECRET, "ada:pw"))


@pytest.mark.parametrize(
    "given", [token("ada", key="x" * 32), "not.a.token", token("ada", exp=1)], ids=["forged", "no token", "late"]
)
async def test_a_refused_token_is_not_shown(caplog: pytest.LogCaptureFixture, given: str) -> None:
    """It is in no log, and in no frame of a logged error."""
    caplog.set_level(logging.DEBUG)
    assert await _request(create_app(api_settings(), database=DATABASE), "/tasks", given) == 401
    assert given not in recorded_by(caplog.records)


async def test_keys_that_cannot_be_fetched_show_no_token(caplog: pytest.LogCaptureFixture) -> None:
    """When the issuer is down, the error behind the 503 is raised inside the verification."""
    caplog.set_level(logging.DEBUG)
    settings = api_settings(jwt_secret=None, jwks_url="http://127.0.0.1:1/keys")
    given = token("ada", kid="rsa")
    assert await _request(create_app(settings, database=DATABASE), "/tasks", given) == 503
    assert KeysUnavailableError.__name__ in caplog.text
    assert given not in recorded_by(caplog.records)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"API_JWKS_URL=http://issuer.test/{SECRET}", "API_JWKS_URL in .env: must be https"),
        (f"API_MAX_REPLIES={SECRET}", "API_MAX_REPLIES in .env: it must be a valid integer"),
        (f"set API_JWT_SECRET={SECRET}", "line 2 of .env does not set API_JWT_SECRET"),
        (f"API_JWT_SECRET=${{KEY}}{SECRET}", "API_JWT_SECRET in .env: ${KEY} is not set"),
    ],
)
def test_a_wrong_setting_of_the_service_is_a_sentence_without_the_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, words: str
) -> None:
    """The error names the variable and the file, as for the database settings."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"API_JWT_ISSUER=a\n{line}\n")
    with pytest.raises(ConfigurationError) as caught:
        ApiSettings(jwt_audience="tasks")
    assert words in str(caught.value)
    assert SECRET not in recorded_of(caught.value)
