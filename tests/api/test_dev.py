"""The development service, for the developer's own machine."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.api import create_app
from app.api.dev import create_dev_app
from app.db import DatabaseSettings
from tests.api.support import Running, api_settings, running, token


@pytest.fixture
async def dev(migrated_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the development service."""
    async with running(create_dev_app(database=DatabaseSettings(url=migrated_url))) as dev, dev.client() as client:
        client.base_url = "http://127.0.0.1:8000"
        yield client


async def test_a_token_from_the_page_works(dev: httpx.AsyncClient, user_id: str) -> None:
    """It works as the page says: get a token, then send it."""
    given = (await dev.get("/dev/token", params={"user_id": user_id})).json()
    headers = {"Authorization": f"{given['token_type']} {given['access_token']}"}
    created = await dev.post("/tasks", json={"title": "try it"}, headers=headers)
    assert (created.status_code, created.json()["user_id"]) == (201, user_id)


async def test_the_page_says_how_to_get_a_token(dev: httpx.AsyncClient) -> None:
    """The documentation page is where a developer looks first."""
    assert (await dev.get("/docs")).status_code == 200
    assert "/dev/token?user_id=ada" in (await dev.get("/openapi.json")).json()["info"]["description"]


async def test_a_user_id_that_cannot_be_one_gets_no_token(dev: httpx.AsyncClient) -> None:
    """The rule is the same as for the rows."""
    for user_id in ("", "x" * 256, "a\0b"):
        answer = await dev.get("/dev/token", params={"user_id": user_id})
        assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")


async def test_a_page_under_another_name_is_not_answered(dev: httpx.AsyncClient) -> None:
    """DNS rebinding: a page of evil.test gets nothing when its name resolves to this machine."""
    answer = await dev.get("/dev/token", params={"user_id": "ada"}, headers={"Host": "evil.test"})
    assert answer.status_code == 400
    assert "access_token" not in answer.text


async def test_each_start_has_a_secret_of_its_own(dev: httpx.AsyncClient, migrated_url: str) -> None:
    """An old development token is refused, here and in production."""
    given = (await dev.get("/dev/token", params={"user_id": "ada"})).json()["access_token"]
    async with running(create_dev_app(database=DatabaseSettings(url=migrated_url))) as again, again.client() as client:
        client.base_url = "http://localhost"
        assert (await client.get("/tasks", headers={"Authorization": f"Bearer {given}"})).status_code == 401
    assert (await dev.get("/tasks", headers={"Authorization": f"Bearer {token('ada')}"})).status_code == 401


async def test_the_real_service_gives_no_tokens(api: Running, migrated_url: str) -> None:
    """The route is in another factory, so no setting turns it on."""
    async with api.client("ada") as client:
        assert (await client.get("/dev/token", params={"user_id": "ada"})).status_code == 404
    app = create_app(api_settings(), database=DatabaseSettings(url=migrated_url))
    assert not any("dev" in path for path in app.openapi()["paths"])
