"""Mistakes in programs that use the service, and the errors that explain them."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.api import create_app
from app.api.services import NotStartedError
from app.db import DatabaseSettings
from tests.api.support import api_settings, bearer, served

NOWHERE = DatabaseSettings(url="postgresql://ada@nowhere.invalid/x")


@pytest.mark.parametrize("path", ["/tasks", "/healthz", "/readyz", "/docs", "/nothing"])
def test_a_test_client_without_its_block_is_told_to_use_one(path: str) -> None:
    """The error is not Starlette's AttributeError."""
    client = TestClient(create_app(api_settings(docs=True), database=NOWHERE))
    with pytest.raises(NotStartedError, match=r"with TestClient\(app\) as client"):
        client.get(path)


def test_an_application_that_mounts_the_service_is_told_to_start_it() -> None:
    """Starlette runs no lifespan of a mounted application; following the advice works, and only health is public."""
    app = create_app(api_settings(), database=NOWHERE)
    outer = FastAPI()
    outer.mount("/api", app)
    with TestClient(outer) as client, pytest.raises(NotStartedError, match=r"app\.router\.lifespan_context\(app\)"):
        client.get("/api/healthz")
    outer = FastAPI(lifespan=lambda _: app.router.lifespan_context(app))  # type: ignore[arg-type]  # narrower than Starlette's
    outer.mount("/api", app)
    with TestClient(outer) as client:
        statuses = {path: client.get(path).status_code for path in ("/api/healthz", "/api/tasks", "/api/api/healthz")}
    assert statuses == {"/api/healthz": 200, "/api/tasks": 401, "/api/api/healthz": 401}


def test_a_test_client_in_its_block_works() -> None:
    """Following the advice works."""
    with TestClient(create_app(api_settings(), database=NOWHERE)) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/tasks").status_code == 401


def test_a_route_that_is_added_needs_a_token() -> None:
    """A route that forgets the user dependency reveals nothing."""
    app = create_app(api_settings(), database=NOWHERE)
    add_route(app)
    with TestClient(app) as client:
        assert client.get("/mine").status_code == 401
        assert client.get("/mine", headers=bearer("ada")).json() == "ada's"
        assert client.get("/mine/", headers=bearer("ada")).status_code == 404


def add_route(app: FastAPI) -> None:
    """Add a route without any dependency."""

    @app.get("/mine")
    async def mine() -> str:
        return "ada's"


async def test_an_unhandled_error_is_logged_once_and_with_its_request(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Only the server logs it, behind a real socket."""
    app = create_app(api_settings(), database=NOWHERE)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a mistake of ours")

    def ask() -> httpx.Response:
        with served(app) as address:
            return httpx.get(f"{address}/broken", headers=bearer("ada"))

    answer = await asyncio.to_thread(ask)
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:problem:internal")
    logged = capfd.readouterr().err + caplog.text
    assert logged.count("RuntimeError: a mistake of ours") == 1
    assert logged.count("Traceback") == 1
    assert "in GET /broken" in logged
