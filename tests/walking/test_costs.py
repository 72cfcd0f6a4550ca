"""The round trips of several statements and of a first call; `test_round_trips` has those of each single call."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.migrations import upgrade
from app.db.models import MessageCreate, Role
from app.repositories import MessageRepo, TaskRepo
from app.repositories.messages.repository import chunks_of_messages
from tests.support.calls import Rows
from tests.support.tls import Secure, secure_servers
from tests.support.wire import WireCounter, counted

Counted = tuple[Database, WireCounter]
MESSAGE = MessageCreate(role=Role.USER, content="hello")


async def test_stream_costs_one_round_trip_for_each_hundred_rows(warm: Counted, rows: Rows) -> None:
    """250 rows take three round trips."""
    messages, counter = MessageRepo(warm[0]), warm[1]
    await messages.append_many(rows.user_id, rows.conversation.id, [MESSAGE] * 249)
    async with counter.expect(3):
        assert len([message async for message in messages.stream(rows.user_id, rows.conversation.id)]) == 250


async def test_append_many_costs_its_chunks_and_the_transaction_around_them(warm: Counted, rows: Rows) -> None:
    """Rows beyond one statement's limit take several statements in one transaction."""
    messages, counter = MessageRepo(warm[0]), warm[1]
    data = [MessageCreate(role=Role.USER, content="x" * 5_000_000)] * 2
    chunks = len(chunks_of_messages(data))
    assert chunks > 1
    async with counter.expect(chunks + 2):
        await messages.append_many(rows.user_id, rows.conversation.id, data)


@pytest.mark.parametrize("calls", [1, 5])
@pytest.mark.parametrize("way", ["append", "append_with_history"])
@pytest.mark.parametrize("has_key", [False, True])
async def test_a_transaction_costs_its_calls_and_two(
    warm: Counted, rows: Rows, calls: int, way: str, *, has_key: bool
) -> None:
    """The two are BEGIN and COMMIT."""
    db, counter = warm
    async with counter.expect(calls + 2), db.transaction() as session:
        for _ in range(calls):
            key = uuid4() if has_key else None
            append = getattr(MessageRepo(session), way)
            await append(rows.user_id, rows.conversation.id, MESSAGE, idempotency_key=key)


async def test_a_failed_expectation_lists_what_went_over_the_wire(warm: Counted, rows: Rows) -> None:
    """The failure shows what exceeded the budget."""
    db, counter = warm
    with pytest.raises(AssertionError, match=r"3 round trips, expected 1: \[Query BEGIN; \| Bind SELECT .*COMMIT"):
        async with counter.expect(1), db.transaction() as session:
            await TaskRepo(session).count(rows.user_id)


async def test_a_first_call_costs_three_round_trips(migrated_url: str, user_id: str) -> None:
    """They are the server's greeting, preparing the statement and executing it."""
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
    """Requesting and negotiating TLS takes 3, the password 3, preparing and executing the statement 2.

    Up to PostgreSQL 17 the server requests another curve than OpenSSL offers first; without that it is one less.
    """
    url = secure.url(host="127.0.0.1", user="careful:right")
    async with counted(url, sslmode="require") as (db, counter), counter.expect(8):
        await TaskRepo(db).count(user_id)
