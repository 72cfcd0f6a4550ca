"""Idle connections: they are closed without a query, and replaced one by one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from tests.support.postgres import Postgres
from tests.support.proxy import FaultProxy
from tests.support.waiting import LIMIT_SECONDS, until

_TERMINATE = b"X\x00\x00\x00\x04"
_SLEEP = text("select pg_sleep(0.05)")


@asynccontextmanager
async def _warm(server: Postgres, connections: int, **settings: Any) -> AsyncIterator[tuple[Database, FaultProxy]]:
    """Open a Database through a proxy and use `connections` at once."""
    async with (
        FaultProxy(server.tcp_url()).running() as proxy,
        Database(DatabaseSettings(url=proxy.url(), **settings)) as db,
    ):
        await _use(db, connections)
        assert proxy.open_connections == connections
        yield db, proxy


async def _use(db: Database, connections: int) -> None:
    await asyncio.gather(*(db.execute(_SLEEP) for _ in range(connections)))


@pytest.mark.parametrize("kept", [0, 2])
async def test_idle_connections_are_closed_down_to_the_minimum(migrated_server: Postgres, kept: int) -> None:
    """A connection that is used again stays; after the others are closed, a call opens what it needs."""
    settings = {"pool_idle_seconds": 2, "pool_min_size": kept}
    async with _warm(migrated_server, 6, **settings) as (db, proxy):
        async with asyncio.timeout(LIMIT_SECONDS):
            while proxy.open_connections > max(kept, 1):
                await asyncio.sleep(0.02)
                await db.execute(text("select 1"))
        assert proxy.open_connections == max(kept, 1)
        assert proxy.connects == 6  # the pool always reuses the connection that was used last
        await until(lambda: proxy.open_connections == kept)
        assert db.pool_status().idle == kept
        await _use(db, 3)
        assert proxy.open_connections == 3


async def test_an_idle_pool_sends_nothing_but_terminate(migrated_server: Postgres) -> None:
    """Covers 90 s in a hundredth of the time: every setting in seconds is a hundredth of its default."""
    seconds = {
        name: field.default / 100
        for name, field in DatabaseSettings.model_fields.items()
        if name.endswith("_seconds") and isinstance(field.default, int | float)
    }
    timeouts = {name: 15 for name in seconds if "timeout" in name or name == "retry_seconds"}
    async with _warm(migrated_server, 6, **{**seconds, **timeouts}) as (db, proxy):
        sent, connects = proxy.bytes_sent, proxy.connects
        await asyncio.sleep(0.9)
        await until(lambda: proxy.open_connections == 0)
        assert (proxy.bytes_sent, proxy.connects) == (sent + 6 * len(_TERMINATE), connects)
        assert (await db.execute(text("select 1"))).scalar_one() == 1


async def test_connections_that_were_opened_together_are_not_replaced_together(
    migrated_server: Postgres,
) -> None:
    """Each connection lives for 80 to 100 % of the setting."""
    rounds: list[int] = []
    async with _warm(migrated_server, 20, pool_recycle_seconds=5) as (db, proxy), asyncio.timeout(LIMIT_SECONDS):
        while sum(rounds) < 20:
            before = proxy.connects
            await _use(db, 20)
            rounds.append(proxy.connects - before)
    assert max(rounds) < 20, rounds
