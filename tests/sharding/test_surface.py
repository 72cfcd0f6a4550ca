"""Every public method of every repository works on each form of a database, in one round trip."""

import pytest

from app.db import Database
from tests.sharding.conftest import Counted
from tests.support.calls import Call, Rows, calls

each_call = pytest.mark.parametrize("call", calls(), ids=lambda call: call.name)


@each_call
async def test_a_call_works_alone_and_in_a_transaction(db: Database, user_id: str, call: Call) -> None:
    """A transaction that is rolled back leaves nothing."""
    rows = await Rows.of(db, user_id)
    async with db.transaction() as session:
        await call.run(session, rows)
        await session.rollback()
    await call.run(db, rows)


async def test_every_call_costs_one_round_trip(counted_db: Counted, user_id: str) -> None:
    """The functions are called as any statement is."""
    db, counter = counted_db
    for call in calls():
        await call.run(db, await Rows.of(db, user_id))  # prepares it
        arguments = await call.arguments(db, await Rows.of(db, user_id))
        async with counter.expect(1):
            await call.send(db, arguments)
