"""A server with which the doctor finds nothing wrong, so that exit status 0 means success."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url

from app.db import Database, DatabaseSettings
from app.db.access import Roles, give_rights
from app.db.migrations import upgrade
from app.embedded import EmbeddedPostgres

_DURABLE = {"fsync": "on", "full_page_writes": "on", "max_connections": "300"}


@pytest.fixture(scope="session")
def durable_server() -> Iterator[EmbeddedPostgres]:
    """Start the server."""
    with EmbeddedPostgres(settings=_DURABLE) as server:
        yield server


@dataclass(frozen=True)
class Place:
    """A database at head, with the URLs of the application's role and of the tables' owner."""

    url: str
    owner_url: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of an application on it."""
        return {"DATABASE_URL": self.url, "DATABASE_DIRECT_URL": self.owner_url}


@pytest.fixture
async def place(durable_server: EmbeddedPostgres) -> AsyncIterator[Place]:
    """Make a database for one test, with the roles that the doctor expects."""
    name, owner = f"documents_{uuid4().hex[:8]}", f"owner_{uuid4().hex[:8]}"
    superuser = make_url(durable_server.url(name))
    place = Place(_url_of(superuser, "app"), _url_of(superuser, owner))
    async with Database(DatabaseSettings(url=durable_server.url("postgres"))) as server:
        await server.execute(text(f"create role {owner} login createrole"))
        await server.execute(text(f"create database {name} owner {owner}"))
        settings = DatabaseSettings(url=place.owner_url)
        await upgrade(settings)
        await give_rights(settings, Roles())
        yield place
        await server.execute(text(f"drop database {name} with (force)"))


def _url_of(superuser: URL, role: str) -> str:
    return superuser.set(username=role).render_as_string(hide_password=False)
