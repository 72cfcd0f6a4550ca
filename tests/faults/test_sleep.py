"""Many callers of a suspended compute: they wait for its start, and none of them fails."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import pytest

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError, PoolTimeoutError, UnavailableError
from app.db.models import TaskCreate
from app.repositories import TaskRepo
from tests.faults.conftest import KINDS
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import Postgres
from tests.support.proxy import FaultProxy
from tests.support.retries import retries
from tests.support.waiting import until

CALLERS = 50
POOL_SIZE = 20
STARTS = [(3, 8), (0, 12), (0, 15)]
"""Seconds for which the proxy refuses connections, and then keeps them waiting."""
# The settings of Neon's pooler; the others are PgBouncer's defaults.
NEONS_POOLER = {"query_wait_timeout": "120", "server_login_retry": "1"}


class Compute:
    """A Database, the proxy that can suspend its server, and the proxy that counts its connections."""

    def __init__(self, db: Database, server: FaultProxy, clients: FaultProxy) -> None:
        self.db = db
        self.server = server
        self.clients = clients


@asynccontextmanager
async def _compute(server: Postgres, *, pooled: bool) -> AsyncIterator[Compute]:
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy(server.tcp_url()).running())
        clients = proxy
        if pooled:
            pooler = PgBouncer("127.0.0.1", proxy.port, pool_size=POOL_SIZE, settings=NEONS_POOLER)
            stack.enter_context(pooler)
            clients = await stack.enter_async_context(FaultProxy(pooler.url("postgres")).running())
        settings = DatabaseSettings(url=clients.url(), pooler="transaction" if pooled else "none", pool_size=POOL_SIZE)
        yield Compute(await stack.enter_async_context(Database(settings)), proxy, clients)


def _call(db: Database, user_id: str, kind: str) -> Awaitable[object]:
    data = TaskCreate(title=kind)
    match kind:
        case "read":
            return TaskRepo(db).list_page(user_id)
        case "write":
            return TaskRepo(db).create(user_id, data)
        case "keyed":
            return TaskRepo(db).create(user_id, data, idempotency_key=uuid4())
        case _:
            return db.run_in_transaction(lambda session: TaskRepo(session).create(user_id, data))


async def _wake(server: Postgres, refusing: int, starting: int, *, pooled: bool) -> None:
    async with _compute(server, pooled=pooled) as compute:
        tasks, user_id = TaskRepo(compute.db), f"user-{uuid4().hex}"
        assert await tasks.count(user_id) == 0
        compute.server.sleep(refusing_seconds=refusing, starting_seconds=starting)
        compute.clients.most_at_once = 0
        began = time.monotonic()
        calls = [_call(compute.db, user_id, KINDS[number % len(KINDS)]) for number in range(CALLERS)]
        await asyncio.gather(*calls)
        assert refusing + starting <= time.monotonic() - began  # a caller beyond the deadline would have got an error
        assert await tasks.count(user_id) == sum(KINDS[number % len(KINDS)] != "read" for number in range(CALLERS))
        assert compute.clients.most_at_once <= POOL_SIZE
        assert compute.db.pool_status().connecting == 0


@pytest.mark.fault(
    row=8,
    name="starts for 8 to 15 s, with 50 callers",
    read="served",
    write="served",
    keyed="served",
    transaction="served",
)
async def test_a_crowd_in_front_of_a_sleeping_compute_is_answered(migrated_server: Postgres) -> None:
    """50 callers on a pool of 20 are each served once within the deadline, direct and through a pooler."""
    await asyncio.gather(
        *(_wake(migrated_server, *start, pooled=pooled) for start in STARTS for pooled in (False, True))
    )


async def test_a_caller_is_told_who_connects_and_why_that_fails(migrated_server: Postgres) -> None:
    """The error comes at the deadline, not at the queue's shorter limit, with the last error's code and advice."""
    async with FaultProxy(migrated_server.tcp_url()).running() as proxy:
        proxy.fail_startups("XX000", "Couldn't connect to compute node")
        settings = DatabaseSettings(url=proxy.url(), pool_size=2, pool_timeout_seconds=0.2, retry_seconds=1)
        async with Database(settings) as db:
            calls = [asyncio.ensure_future(TaskRepo(db).count("ada")) for _ in range(5)]
            await until(lambda: db.pool_status().last_error is not None)
            status = db.pool_status()
            assert (status.in_use, status.connecting, status.waiting) == (0, 2, 3)
            assert "Couldn't connect to compute node" in str(status.last_error)
            for error in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(error, UnavailableError)
                assert (error.sqlstate, bool(error.advice)) == ("XX000", True)
                assert str(error).startswith("no connection within 1")
                assert "(2 connecting, " in str(error)


async def test_the_whole_queue_gets_the_error_at_once_when_connecting_fails_for_good(
    migrated_server: Postgres,
) -> None:
    """After a change of password during the suspension, 50 callers cause no more attempts than connections."""
    async with FaultProxy(migrated_server.tcp_url()).running() as proxy:
        proxy.fail_startups("28P01", "password authentication failed")
        async with Database(DatabaseSettings(url=proxy.url(), pool_size=5)) as db:
            calls = (TaskRepo(db).count("ada") for _ in range(CALLERS))
            with retries() as retried:
                errors = await asyncio.gather(*calls, return_exceptions=True)
            assert retried == []
            assert {type(error) for error in errors} == {ConfigurationError}
            assert len({id(error) for error in errors}) == CALLERS
            assert proxy.connects <= 5


async def test_callers_beyond_the_bound_are_refused_at_once(migrated_server: Postgres) -> None:
    """DATABASE_POOL_MAX_WAITING sets the bound; callers for whom a connection is being opened do not count."""
    async with FaultProxy(migrated_server.tcp_url()).running() as proxy:
        proxy.late_seconds = 1
        settings = DatabaseSettings(url=proxy.url(), pool_size=2, pool_max_waiting=3)
        async with Database(settings) as db:
            calls = [asyncio.ensure_future(TaskRepo(db).count("ada")) for _ in range(8)]
            refused, waiting = calls[5:], calls[:5]
            for call in refused:
                with pytest.raises(PoolTimeoutError, match="DATABASE_POOL_MAX_WAITING"):
                    await call
            assert proxy.open_connections == 0  # they were refused before any connection was there
            assert await asyncio.gather(*waiting) == [0] * 5
