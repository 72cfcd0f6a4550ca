"""What a pooler replies when its server is lost, and the outcome of the call."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError, OutcomeUnknownError, TransientError
from app.db.models import TaskCreate
from app.repositories import TaskRepo
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import Postgres
from tests.support.proxy import FaultProxy
from tests.support.retries import retries
from tests.support.waiting import LIMIT_SECONDS, until_active

_NEW = TaskCreate(title="Through a pooler")


@dataclass(frozen=True, slots=True)
class Pooled:
    """A Database, its pooler, the proxy between pooler and server, and a Database that bypasses both."""

    db: Database
    pooler: PgBouncer
    proxy: FaultProxy
    admin: Database

    async def lose_server(self) -> None:
        """Reset the pooler's connections, and refuse new ones."""
        self.proxy.refusing = True
        self.proxy.reset()
        async with asyncio.timeout(LIMIT_SECONDS):
            while await self.pooler.admin("SHOW SERVERS"):  # noqa: ASYNC110 - the pooler does not notify
                await asyncio.sleep(0.01)

    async def rows(self, user_id: str) -> int:
        """Return the number of tasks on the server."""
        return await TaskRepo(self.admin).count(user_id)


@pytest.fixture
async def pooled(migrated_server: Postgres) -> AsyncIterator[Pooled]:
    """Run a pooler that stops waiting after a second."""
    async with FaultProxy(migrated_server.tcp_url()).running() as proxy:
        pooler = PgBouncer("127.0.0.1", proxy.port, settings={"query_wait_timeout": "1"})
        with pooler:
            settings = DatabaseSettings(url=pooler.url("postgres"), pooler="transaction", retry_seconds=5)
            async with Database(settings) as db, Database(DatabaseSettings(url=migrated_server.url())) as admin:
                await db.execute(text("select 1"))
                yield Pooled(db, pooler, proxy, admin)


async def test_a_write_whose_server_is_lost_is_unknown(pooled: Pooled, user_id: str) -> None:
    """The row is stored, although the pooler only reports that its server crashed."""
    pooled.proxy.lose_reply_to = "INSERT"
    with pytest.raises(OutcomeUnknownError) as caught:
        await TaskRepo(pooled.db).create(user_id, _NEW)
    assert (caught.value.sqlstate, caught.value.retryable) == ("08P01", False)
    assert await pooled.rows(user_id) == 1


async def test_a_commit_whose_server_is_lost_is_unknown(pooled: Pooled, user_id: str) -> None:
    """The commit is stored, although the pooler only reports that its server crashed."""
    pooled.proxy.lose_reply_to = "COMMIT"
    with pytest.raises(OutcomeUnknownError):
        async with pooled.db.transaction() as session:
            await TaskRepo(session).create(user_id, _NEW)
    assert await pooled.rows(user_id) == 1


async def test_what_may_be_repeated_is_served_though_the_server_is_lost(pooled: Pooled, user_id: str) -> None:
    """A read and a keyed write are served, and the write leaves one row."""
    tasks = TaskRepo(pooled.db)
    pooled.proxy.lose_reply_to = "INSERT"
    await tasks.create(user_id, _NEW, idempotency_key=uuid4())
    pooled.proxy.lose_reply_to = "SELECT"
    assert await tasks.count(user_id) == 1


async def test_an_outage_behind_the_pooler_is_a_delay(pooled: Pooled, user_id: str) -> None:
    """While the pooler reports for a second that it has no server, calls wait, and each write happens once."""
    tasks = TaskRepo(pooled.db)
    await pooled.lose_server()
    asyncio.get_running_loop().call_later(1, setattr, pooled.proxy, "refusing", False)
    await asyncio.gather(*(tasks.create(user_id, _NEW) for _ in range(5)), *(tasks.count(user_id) for _ in range(5)))
    assert await pooled.rows(user_id) == 5


async def test_an_outage_longer_than_the_deadline_is_an_error(pooled: Pooled, user_id: str) -> None:
    """The error says that nothing was done, and is raised while the server is still down."""
    await pooled.lose_server()
    with pytest.raises(TransientError, match="the pooler has no server"):
        await TaskRepo(pooled.db).create(user_id, _NEW)
    assert pooled.proxy.refusing
    assert await pooled.rows(user_id) == 0


async def test_a_wait_for_a_server_connection_is_retried(pooled: Pooled, user_id: str) -> None:
    """Other callers hold both connections for longer than the pooler lets a statement wait."""
    sleep = "select pg_sleep(2)"
    holding = [asyncio.ensure_future(pooled.db.execute(text(sleep))) for _ in range(2)]
    await until_active(pooled.admin, sleep, count=2)
    await TaskRepo(pooled.db).create(user_id, _NEW)
    await asyncio.gather(*holding)
    assert await pooled.rows(user_id) == 1


@pytest.mark.parametrize("auth_type", ["scram-sha-256", "md5"])
async def test_a_wrong_password_is_reported_after_one_attempt(migrated_server: Postgres, auth_type: str) -> None:
    """The pooler gives it the same code as transient errors."""
    users = {"ada": "lovelace"}
    with PgBouncer("127.0.0.1", migrated_server.port, auth_type=auth_type, users=users) as pooler:
        url = pooler.url("postgres").replace("lovelace", "byron")
        async with Database(DatabaseSettings(url=url, pooler="transaction")) as db:
            with pytest.raises(ConfigurationError, match="authentication failed"), retries() as retried:
                await db.execute(text("select 1"))
            assert retried == []
