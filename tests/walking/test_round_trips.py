"""Every public method of every repository costs one round trip, counted by a proxy between client and server."""

from uuid import uuid4

import pytest

from app.db import Database
from app.db.errors import NotFoundError, StaleRowError
from tests.support.calls import Call, Rows, calls, calls_with, naming_a_row
from tests.support.wire import WireCounter

NOTHING = 2**62
Counted = tuple[Database, WireCounter]


def named(calls: list[Call]) -> pytest.MarkDecorator:
    """Run a test for each of the calls."""
    return pytest.mark.parametrize("call", calls, ids=lambda call: call.name)


@named(calls())
async def test_a_call_costs_one_round_trip(warm: Counted, rows: Rows, call: Call) -> None:
    """The connection is warm; every method costs the same."""
    db, counter = warm
    arguments = await call.arguments(db, rows)
    async with counter.expect(1):
        await call.send(db, arguments)
    assert counter.messages == {"Bind": 1, "Execute": 1, "Sync": 1}


@named(calls_with("idempotency_key"))
async def test_a_repeat_with_its_key_costs_one(warm: Counted, rows: Rows, call: Call) -> None:
    """It returns the first row for the cost of any call."""
    db, counter = warm
    arguments = await call.arguments(db, rows) | {"idempotency_key": uuid4()}
    first = await call.send(db, arguments)
    async with counter.expect(1):
        assert await call.send(db, arguments) == first


@named(naming_a_row())
async def test_what_is_not_found_costs_one(warm: Counted, rows: Rows, call: Call) -> None:
    """A second query would find nothing more."""
    db, counter = warm
    arguments = await call.arguments(db, rows) | {"id": NOTHING}
    async with counter.expect(1):
        with pytest.raises(NotFoundError):
            await call.send(db, arguments)


@named(calls_with("expected_updated_at"))
async def test_a_stale_update_costs_one(warm: Counted, rows: Rows, call: Call) -> None:
    """The update itself detects it."""
    db, counter = warm
    arguments = await call.arguments(db, rows)
    await call.send(db, arguments)
    async with counter.expect(1):
        with pytest.raises(StaleRowError):
            await call.send(db, arguments)
