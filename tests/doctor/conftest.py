"""A healthy server: TLS that can be verified, passwords, nothing switched off."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.access import Roles, give_rights
from app.db.migrations import upgrade
from tests.support.canary import SECRET
from tests.support.postgres import Postgres
from tests.support.tls import Authority, certificate_folder, tls_server

_LOGIN_RULES = "local all all trust\nhost all all all scram-sha-256\n"
_ROLES_AS_BEFORE = ("alter role app nobypassrls nocreatedb nocreaterole", "revoke pg_read_all_data from app")
_DURABLE = {"fsync": "on", "full_page_writes": "on"}


@dataclass(frozen=True)
class Clinic:
    """The server, its CA, and an unrelated CA."""

    server: Postgres
    ca: Path
    other_ca: Path

    def url(self, database: str = "healthy", query: str = "sslmode=verify-full&sslrootcert={ca}", **parts: str) -> str:
        """Return a URL of the role `app`; in `query`, {ca} and {other} stand for the files."""
        place = {"user": "app", "password": SECRET, "host": "localhost", "port": str(self.server.port), **parts}
        query = query.format(ca=self.ca, other=self.other_ca)
        return "postgresql://{user}:{password}@{host}:{port}/".format(**place) + f"{database}?{query}"

    def environment(self, database: str = "healthy") -> dict[str, Any]:
        """Return the variables of an application whose migrations run as the owner."""
        owner = self.url(database, user="app_owner")
        return {"DATABASE_URL": self.url(database), "DATABASE_DIRECT_URL": owner}

    def settings(self, database: str = "healthy") -> DatabaseSettings:
        """Return the settings of that application."""
        return DatabaseSettings(url=self.url(database), direct_url=self.url(database, user="app_owner"))

    @asynccontextmanager
    async def as_superuser(self, database: str = "postgres") -> AsyncIterator[Database]:
        """Open a database as a superuser."""
        async with Database(DatabaseSettings(url=self.server.url(database), pool_size=2)) as db:
            yield db


@contextmanager
def _server() -> Iterator[Clinic]:
    with certificate_folder() as folder:
        authority, other = Authority(folder, "ours"), Authority(folder, "other")
        with tls_server(authority.issue("server", "localhost"), **_DURABLE) as server:
            yield Clinic(server, authority.ca, other.ca)


@pytest.fixture(scope="session")
async def clinic() -> AsyncIterator[Clinic]:
    """Run the server, with a database `healthy` at head, of `app_owner` and for the role `app`."""
    with _server() as clinic:
        async with clinic.as_superuser() as db:
            for role in ("app_owner", "app", "app_reader"):
                await db.execute(text(f"create role {role} login password '{SECRET}'"))
            await db.execute(text("create database healthy owner app_owner"))
        (clinic.server.data_folder / "pgdata" / "pg_hba.conf").write_text(_LOGIN_RULES)
        clinic.server.restart()
        await upgrade(clinic.settings())
        await give_rights(clinic.settings(), Roles())
        yield clinic


MakePatient = Callable[..., Awaitable[str]]


@pytest.fixture
async def make_patient(clinic: Clinic) -> AsyncIterator[MakePatient]:
    """Copy the healthy database, run statements on the copy, and return its name."""
    names: list[str] = []

    async def make(*illness: str) -> str:
        name = f"patient_{uuid4().hex[:8]}"
        async with clinic.as_superuser() as db:
            await db.execute(text(f"create database {name} template healthy owner app_owner"))
            names.append(name)
        async with clinic.as_superuser(name) as db:
            for statement in illness:
                await db.execute(text(statement.format(name=name)))
        return name

    yield make
    async with clinic.as_superuser() as db:
        for name in names:
            await db.execute(text(f"drop database {name} with (force)"))
        for statement in _ROLES_AS_BEFORE:  # roles belong to the server, not to the copy
            await db.execute(text(statement))
