"""A primary and a replica, with the tables."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import pytest

from app.db import Database, DatabaseSettings
from app.db.migrations import upgrade
from tests.replicas.reading import until_ready
from tests.support.embedded import psql
from tests.support.postgres import Postgres
from tests.support.replication import Replica, primary_and_replica

Open = Callable[..., AbstractAsyncContextManager[Database]]


class Pair(NamedTuple):
    """A primary and its replica."""

    primary: Postgres
    replica: Replica

    def settings(self, **changes: Any) -> DatabaseSettings:
        """Return the settings of an application that reads from the replica, also right after a write."""
        known: dict[str, Any] = {"replica_url": self.replica.url(), "replica_sticky_seconds": 0} | changes
        known.setdefault("url", self.primary.tcp_url() + "?sslmode=disable")
        return DatabaseSettings(**known)

    def catch_up(self) -> None:
        """Wait until the replica has applied what the primary has stored."""
        position = psql(self.primary.url(), "select pg_current_wal_flush_lsn()")
        while self.replica.run(f"select pg_last_wal_replay_lsn() >= '{position}'") != "t":
            pass

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Have the replica apply nothing during the block."""
        self.replica.pause()
        try:
            yield
        finally:
            self.replica.resume()


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Pair]:
    """Run both for the session."""
    with primary_and_replica() as (primary, replica):
        pair = Pair(primary, replica)
        async with Database(pair.settings()) as db:
            await upgrade(db.engine)
        yield pair


@pytest.fixture
def pair(servers: Pair) -> Pair:
    """Give the servers, without a delay."""
    servers.replica.delay(0)
    return servers


@pytest.fixture
def open_database(pair: Pair) -> Open:
    """Open a database whose reads the replica has begun to answer."""

    @asynccontextmanager
    async def opened(**changes: Any) -> AsyncIterator[Database]:
        async with Database(pair.settings(**changes)) as db:
            await until_ready(db)
            yield db

    return opened


@pytest.fixture
async def routed(open_database: Open) -> AsyncIterator[Database]:
    """Give such a database."""
    async with open_database() as db:
        yield db
