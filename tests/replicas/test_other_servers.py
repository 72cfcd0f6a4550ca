"""Servers that are no replica of this primary, or no longer: their rows are never shown."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from app.db import Database, DatabaseSettings
from app.db.errors import OutcomeUnknownError, TransientError
from app.db.migrations import upgrade
from app.db.models import TaskCreate
from app.doctor import Finding, Level, examine
from app.repositories import TaskRepo
from tests.replicas.conftest import Pair
from tests.replicas.reading import served, status, until_ready
from tests.support.embedded import psql
from tests.support.postgres import Postgres
from tests.support.proxy import FaultProxy
from tests.support.replication import Replica, primary_and_replica, replica_of
from tests.support.waiting import LIMIT_SECONDS

_MANY = "do $$ begin for i in 1..20000 loop perform pg_current_xact_id(); commit; end loop; end $$"
"""So many that this server has the id of every transaction of the other."""


class Family(NamedTuple):
    """A primary with two replicas, one of which may become a primary, too."""

    primary: Postgres
    heir: Replica
    other: Replica

    def catch_up(self) -> None:
        """Wait until the replica has applied what its primary has written."""
        position = psql(self.primary.url(), "select pg_current_wal_insert_lsn()")
        while self.other.run(f"select pg_last_wal_replay_lsn() >= '{position}'") != "t":
            pass

    def spend_ids(self) -> None:
        """Have the primary run many transactions, and the replica apply them."""
        psql(self.primary.url(), _MANY)
        psql(self.primary.url(), "create table if not exists spent (); checkpoint")
        self.catch_up()


@pytest.fixture(scope="module")
async def family() -> AsyncIterator[Family]:
    """Run three servers."""
    with primary_and_replica() as (primary, heir), replica_of(primary) as other:
        async with Database(DatabaseSettings(url=primary.url(), replica_url=None)) as db:
            await upgrade(db.engine)
        yield Family(primary, heir, other)


async def _reads_its_writes(db: Database, user_id: str) -> int:
    """Write and read until the replica has been found to be another's; return how often was written."""
    tasks, written = TaskRepo(db), 0
    async with asyncio.timeout(LIMIT_SECONDS):
        while "another server" not in str(status(db).last_error):
            await tasks.create(user_id, TaskCreate(title="Buy milk"))
            written += 1
            for _ in range(5):
                assert await tasks.count(user_id) == written
                await asyncio.sleep(0.002)
    return written


def _settings(primary: FaultProxy, replica: FaultProxy) -> DatabaseSettings:
    return DatabaseSettings(url=primary.url(), replica_url=replica.url(), replica_sticky_seconds=0)


async def _compared(settings: DatabaseSettings) -> Finding:
    """Return what the doctor says of the replica's origin."""
    (found,) = [each for each in (await examine(settings)).findings if each.check == "replicas.system"]
    return found


async def _first_write(db: Database) -> None:
    """Write until a connection to the new primary is there."""
    while True:
        try:
            await TaskRepo(db).create("bob", TaskCreate(title="Buy milk"))
        except (OutcomeUnknownError, TransientError):
            continue
        return


async def test_a_replica_of_another_primary_is_never_asked(family: Family, pair: Pair, user_id: str) -> None:
    """It is in recovery, and has every id."""
    family.spend_ids()
    async with Database(pair.settings(replica_url=family.other.url())) as db:
        await _reads_its_writes(db, user_id)
        assert status(db).served == 0


async def test_another_server_at_the_same_address_is_left_alone(family: Family, pair: Pair, user_id: str) -> None:
    """Until the replica is back: as where a host or a pooler leads elsewhere."""
    family.spend_ids()
    async with (
        FaultProxy(pair.replica.server.tcp_url()).running() as proxy,
        Database(pair.settings(replica_url=proxy.url())) as db,
    ):
        await until_ready(db)
        proxy.move(family.other.url())
        at_first = status(db).served
        written = await _reads_its_writes(db, user_id)
        assert status(db).served == at_first
        proxy.move(pair.replica.server.tcp_url())
        assert await served(db, lambda: TaskRepo(db).count(user_id)) == written


async def test_after_a_failover_the_replica_of_the_old_primary_is_never_asked(family: Family, user_id: str) -> None:
    """Both primaries give the same ids to other transactions; a replica of the new one is asked again."""
    async with (
        FaultProxy(family.primary.tcp_url()).running() as primary,
        FaultProxy(family.other.server.tcp_url()).running() as replica,
        Database(settings := _settings(primary, replica)) as db,
    ):
        await TaskRepo(db).create("ada", TaskCreate(title="before"))
        await served(db, lambda: TaskRepo(db).count("ada"))
        await served(db, lambda: TaskRepo(db).count(user_id))
        family.heir.promote()
        family.spend_ids()
        async with primary.ending():
            primary.move(family.heir.server.tcp_url())
        await _first_write(db)
        at_first = status(db).served
        written = await _reads_its_writes(db, user_id)
        assert status(db).served == at_first
        assert "of timeline 00000001, the primary of 00000002" in (await _compared(settings)).found
        with replica_of(family.heir.server) as new:
            replica.move(new.server.tcp_url())
            assert await served(db, lambda: TaskRepo(db).count(user_id)) == written


async def test_a_replica_that_was_restored_from_an_older_backup_shows_nothing_old(pair: Pair, user_id: str) -> None:
    """It is a copy of the primary, and is asked; it answers when it has applied what it lacks."""
    tasks_before = 5
    with replica_of(pair.primary) as older:
        older.pause()
        async with (
            FaultProxy(pair.replica.server.tcp_url()).running() as proxy,
            Database(pair.settings(replica_url=proxy.url())) as db,
        ):
            await until_ready(db)
            tasks = TaskRepo(db)
            for _ in range(tasks_before):
                await tasks.create(user_id, TaskCreate(title="Buy milk"))
            await served(db, lambda: tasks.count(user_id))
            proxy.move(older.server.tcp_url())
            at_first = status(db)
            async with asyncio.timeout(LIMIT_SECONDS):
                while status(db).behind < at_first.behind + 3:
                    assert await tasks.count(user_id) == tasks_before
                    await asyncio.sleep(0.002)
            assert status(db).served == at_first.served
            older.resume()
            assert await served(db, lambda: tasks.count(user_id)) == tasks_before


async def test_where_the_role_may_not_compare_the_servers_the_replica_is_asked(pair: Pair, user_id: str) -> None:
    """As before there was a comparison; the doctor says how to grant the right."""
    right = "execute on function pg_control_system()"
    psql(pair.primary.url(), f"revoke {right} from public; create role stranger login; grant all on task to stranger")
    try:
        pair.catch_up()
        urls = (pair.primary.tcp_url() + "?sslmode=disable", pair.replica.url())
        url, replica_url = (each.replace("postgres@", "stranger@") for each in urls)
        settings = pair.settings(url=url, replica_url=replica_url)
        async with Database(settings) as db:
            await TaskRepo(db).create(user_id, TaskCreate(title="Buy milk"))
            assert await served(db, lambda: TaskRepo(db).count(user_id)) == 1
        found = await _compared(settings)
        assert found.level is Level.NOTE
        psql(pair.primary.url(), found.advice)
        pair.catch_up()
        assert (await _compared(settings)).level is Level.OK
    finally:
        psql(pair.primary.url(), f"grant {right} to public; drop owned by stranger; drop role stranger")


async def test_a_replica_that_follows_the_new_primary_is_asked_again_after_a_checkpoint(user_id: str) -> None:
    """Only then its control file says which timeline it is on; the doctor's advice is to run it."""
    with primary_and_replica() as (old, heir), replica_of(old) as other:
        async with Database(DatabaseSettings(url=old.url(), replica_url=None)) as db:
            await upgrade(db.engine)
        received = "select pg_last_wal_receive_lsn()"
        while heir.run(received) != other.run(received):
            pass
        old.stop(mode="immediate")  # without a last record that only one of them may receive
        heir.promote()
        new = f"host=127.0.0.1 port={heir.server.port} user=postgres sslmode=disable"
        other.run(f"alter system set primary_conninfo = '{new}'", reload=True)
        settings = DatabaseSettings(url=heir.url(), replica_url=other.url(), replica_sticky_seconds=0)
        async with Database(settings) as db:
            assert await _reads_its_writes(db, user_id) > 0
            assert status(db).served == 0
            assert "run on the primary and then on it: checkpoint" in (await _compared(settings)).advice
            psql(heir.server.url(), "checkpoint")
            position = psql(heir.server.url(), "select pg_current_wal_flush_lsn()")
            while other.run(f"select pg_last_wal_replay_lsn() >= '{position}'") != "t":
                pass
            other.run("checkpoint")
            assert await served(db, lambda: TaskRepo(db).count(user_id)) > 0
            assert (await _compared(settings)).level is Level.OK
