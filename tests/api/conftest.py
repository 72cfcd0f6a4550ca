"""The service on the tests' shared database."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.api.support import Running, in_process


@pytest.fixture(scope="session")
async def api(migrated_url: str) -> AsyncIterator[Running]:
    """Run the service on the database that the tests share."""
    async with in_process(migrated_url) as running:
        yield running


@pytest.fixture
async def client(api: Running, user_id: str) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of a user that only this test uses."""
    async with api.client(user_id) as client:
        yield client


@pytest.fixture
async def other(api: Running, user_id: str) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of another user."""
    async with api.client(f"other-{user_id}") as client:
        yield client
