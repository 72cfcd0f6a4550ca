"""What each call costs on the wire: one round trip, counted by a proxy between client and server."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import NotFoundError, StaleRowError
from app.db.migrations import upgrade
from app.db.models import MessageCreate, Role, TaskUpdate
from app.repositories import MessageRepo, TaskRepo
from app.repositories.chunks import chunks_of
from tests.support.calls import CALLS, MESSAGE, Call, Repos, Rows, public_methods
from tests.support.tls import Secure, secure_servers
from tests.support.wire import WireCounter, counted

Counted = tuple[Database, WireCounter]


@pytest.fixture(scope="session")
async def warm(migrated_url: str) -> AsyncIterator[Counted]:
    """Give a Database of one connection on which every statement has run once, and what it costs from now on."""
    async with counted(migrated_url) as (db, counter):
        for call in CALLS.values():
            await call(Repos.on(db), await Rows.of(db, "warm"))
            rows = await Rows.of(db, "warm")
            async with db.transaction() as session:  # its statements are prepared apart from the others
                await call(Repos.on(session), rows)
        yield db, counter


@pytest.fixture
async def rows(db: Database, user_id: str) -> Rows:
    """Write rows of this test's user, uncounted."""
    return await Rows.of(db, user_id)


def test_every_public_method_is_counted() -> None:
    """A new method without a case fails here."""
    assert {name.split()[0] for name in CALLS} == public_methods()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_every_repository_call_costs_one_round_trip(warm: Counted, rows: Rows, call: Call) -> None:
    """On a warm connection, whatever it does."""
    db, counter = warm
    async with counter.expect(1):
        await call(Repos.on(db), rows)
    assert counter.messages == {"Bind": 1, "Execute": 1, "Sync": 1}


async def test_a_repeated_key_costs_one_round_trip(warm: Counted, rows: Rows) -> None:
    """Who tries again with a key gets the first row at the price of any call."""
    db, counter = warm
    key = "8a1f3c52-0f0b-4a57-9d32-6a5b8a0f4d11"
    first = await MessageRepo(db).append(rows.user_id, rows.conversation.id, MESSAGE, idempotency_key=UUID(key))
    async with counter.expect(1):
        again = await MessageRepo(db).append(rows.user_id, rows.conversation.id, MESSAGE, idempotency_key=UUID(key))
    assert again == first


async def test_what_is_not_found_costs_one_round_trip(warm: Counted, rows: Rows) -> None:
    """`get`, `update` and `delete` of what is not there ask once."""
    tasks, counter = TaskRepo(warm[0]), warm[1]
    nothing = 2**62
    for call in (
        tasks.get(rows.user_id, nothing),
        tasks.delete(rows.user_id, nothing),
        tasks.update(rows.user_id, nothing, TaskUpdate(title="y")),
        tasks.update(rows.user_id, nothing, TaskUpdate(title="y"), expected_updated_at=rows.task.updated_at),
    ):
        async with counter.expect(1):
            with pytest.raises(NotFoundError):
                await call


async def test_a_stale_update_costs_one_round_trip(warm: Counted, rows: Rows) -> None:
    """The statement that finds out is the update itself."""
    tasks, counter = TaskRepo(warm[0]), warm[1]
    await tasks.update(rows.user_id, rows.task.id, TaskUpdate(title="y"))
    async with counter.expect(1):
        with pytest.raises(StaleRowError):
            await tasks.update(
                rows.user_id, rows.task.id, TaskUpdate(title="z"), expected_updated_at=rows.task.updated_at
            )


async def test_stream_costs_one_round_trip_for_each_hundred_rows(warm: Counted, rows: Rows) -> None:
    """250 rows are three pages."""
    messages, counter = MessageRepo(warm[0]), warm[1]
    await messages.append_many(rows.user_id, rows.conversation.id, [MESSAGE] * 249)
    async with counter.expect(3):
        assert len([message async for message in messages.stream(rows.user_id, rows.conversation.id)]) == 250


async def test_append_many_costs_its_chunks_and_the_transaction_around_them(warm: Counted, rows: Rows) -> None:
    """What is too long for one statement is several in one transaction."""
    messages, counter = MessageRepo(warm[0]), warm[1]
    data = [MessageCreate(role=Role.USER, content="x" * 5_000_000)] * 2
    chunks = len(list(chunks_of(data)))
    assert chunks > 1
    async with counter.expect(chunks + 2):
        await messages.append_many(rows.user_id, rows.conversation.id, data)


@pytest.mark.parametrize("calls", [1, 5])
async def test_a_transaction_costs_its_calls_and_two(warm: Counted, rows: Rows, calls: int) -> None:
    """BEGIN and COMMIT are the two."""
    db, counter = warm
    async with counter.expect(calls + 2), db.transaction() as session:
        for _ in range(calls):
            await MessageRepo(session).append(rows.user_id, rows.conversation.id, MESSAGE)


async def test_a_failed_expectation_lists_what_went_over_the_wire(warm: Counted, rows: Rows) -> None:
    """Who breaks a budget is told with what."""
    db, counter = warm
    with pytest.raises(AssertionError, match=r"3 round trips, expected 1: \[Query BEGIN; \| Bind SELECT .*COMMIT"):
        async with counter.expect(1), db.transaction() as session:
            await TaskRepo(session).count(rows.user_id)


async def test_a_first_call_costs_three_round_trips(migrated_url: str, user_id: str) -> None:
    """The server's greeting, the statement prepared, the statement executed: nothing else is asked."""
    async with counted(migrated_url) as (db, counter), counter.expect(3):
        await TaskRepo(db).count(user_id)


@pytest.fixture(scope="module")
async def secure() -> AsyncIterator[Secure]:
    """Run a server at head that speaks TLS and asks the role ``careful`` for a password."""
    with secure_servers() as servers:
        await servers.set_up_logins()
        async with Database(DatabaseSettings(url=servers.url())) as admin:
            await upgrade(admin.engine)
            await admin.execute(text("alter role careful superuser"))
        yield servers


async def test_a_first_call_with_tls_and_a_password_costs_eight_round_trips(secure: Secure, user_id: str) -> None:
    """TLS asked for and made (3), the password (3), the statement prepared and executed (2).

    Up to PostgreSQL 17 the server asks for another curve than OpenSSL offers first; without that it is one less.
    """
    url = secure.url(host="127.0.0.1", user="careful:right")
    async with counted(url, sslmode="require") as (db, counter), counter.expect(8):
        await TaskRepo(db).count(user_id)
