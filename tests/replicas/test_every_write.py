"""Whatever way a user's row is written, a replica that lacks it does not answer that user (nothing is applied here)."""

import pytest
from sqlalchemy import select

from app.db import Database
from app.db.models import Task, TaskCreate
from app.db.query import WhenLost
from app.repositories import TaskRepo
from tests.replicas.conftest import Open, Pair
from tests.replicas.reading import is_served, served, status
from tests.replicas.ways import WAYS, Write
from tests.support.calls import Call, Rows, calls
from tests.support.recorded import recorded


@pytest.mark.parametrize("write", WAYS.values(), ids=WAYS)
async def test_a_read_after_it_sees_it(pair: Pair, routed: Database, user_id: str, write: Write) -> None:
    """The replica is asked, and says that it lacks the row; the primary has it."""
    tasks = TaskRepo(routed)
    with pair.paused():
        await write(routed, user_id)
        assert await tasks.count(user_id) == 1
        await write(routed, user_id)
        assert len((await tasks.list_page(user_id)).items) == 2
    assert await served(routed, lambda: tasks.count(user_id)) == 2
    assert len((await served(routed, lambda: tasks.list_page(user_id))).items) == 2


@pytest.mark.parametrize("write", WAYS.values(), ids=WAYS)
async def test_so_does_a_read_in_another_process_that_has_the_token(
    pair: Pair, open_database: Open, user_id: str, write: Write
) -> None:
    """Without the token it would read the past, which shows that the replica has nothing."""
    async with open_database() as writer, open_database() as reader:
        with pair.paused():
            await write(writer, user_id)
            assert await served(reader, lambda: TaskRepo(reader).count(user_id)) == 0
            reader.accept_causal_token(user_id, writer.causal_token(user_id))
            assert await TaskRepo(reader).count(user_id) == 1


@pytest.mark.parametrize("call", calls(), ids=lambda call: call.name)
async def test_every_call_of_a_repository_is_a_write_or_is_served(
    pair: Pair, routed: Database, user_id: str, call: Call
) -> None:
    """After one that writes the replica lacks something; the others it answers itself, as the primary would."""
    rows = await Rows.of(routed, user_id)
    writes = any(query.when_lost is not WhenLost.NOT_DONE for query, _ in (await recorded(call, routed, rows))[-1:])
    arguments = await call.arguments(routed, rows)
    if writes:
        await served(routed, lambda: TaskRepo(routed).count(user_id))
        with pair.paused():
            await call.send(routed, arguments)
            assert not await is_served(routed, TaskRepo(routed).count(user_id))
    else:
        async with Database(pair.settings(replica_url=None)) as primary:
            expected = await call.send(primary, arguments)
            assert await served(routed, lambda: call.send(routed, arguments)) == expected


async def test_nobody_else_is_sent_to_the_primary(pair: Pair, routed: Database, user_id: str) -> None:
    """A write of one user is not waited for by another."""
    with pair.paused():
        await TaskRepo(routed).create(user_id, TaskCreate(title="Buy milk"))
        await served(routed, lambda: TaskRepo(routed).count("somebody else"))
        assert not await is_served(routed, TaskRepo(routed).count(user_id))
        assert status(routed).behind == 1


async def test_a_transaction_of_a_known_user_concerns_nobody_else(pair: Pair, routed: Database, user_id: str) -> None:
    """The statement that names the user to row-level security is none that writes."""
    with pair.paused():
        async with routed.transaction(user_id=user_id) as session:
            await TaskRepo(session).create(user_id, TaskCreate(title="Buy milk"))
        await served(routed, lambda: TaskRepo(routed).count("somebody else"))
        assert await TaskRepo(routed).count(user_id) == 1


async def test_a_transaction_that_wrote_nothing_counts_for_nobody(pair: Pair, routed: Database, user_id: str) -> None:
    """The server says that it has no transaction id."""
    with pair.paused():
        async with routed.transaction() as session:
            await TaskRepo(session).get_or_none(user_id, 1)
            await session.execute(select(Task))
        await served(routed, lambda: TaskRepo(routed).count(user_id))


async def test_reads_stay_on_the_primary_for_a_while_after_a_write(open_database: Open, user_id: str) -> None:
    """As long as the settings say, one round trip instead of two."""
    async with open_database(replica_sticky_seconds=1000) as db:
        await TaskRepo(db).create(user_id, TaskCreate(title="Buy milk"))
        before = status(db)
        assert await TaskRepo(db).count(user_id) == 1
        after = status(db)
    assert (after.served, after.behind, after.not_ready) == (before.served, before.behind, before.not_ready)
