"""A server with which the doctor finds nothing wrong, so that a command that exits with 0 means success."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.migrations import upgrade
from app.embedded import EmbeddedPostgres

_DURABLE = {"fsync": "on", "full_page_writes": "on", "max_connections": "300"}


@pytest.fixture(scope="session")
def durable_server() -> Iterator[EmbeddedPostgres]:
    """Start the server."""
    with EmbeddedPostgres(settings=_DURABLE) as server:
        yield server


@pytest.fixture
async def durable_url(durable_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """Make a database at head for one test; return its URL."""
    name = f"documents_{uuid4().hex[:8]}"
    async with Database(DatabaseSettings(url=durable_server.url("postgres"))) as server:
        await server.execute(text(f"create database {name}"))
        await upgrade(DatabaseSettings(url=durable_server.url(name)))
        yield durable_server.url(name)
        await server.execute(text(f"drop database {name} with (force)"))
