"""What an update changes, for every repository with updates, field by field and against a second writer."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy import text

from app.db import Database
from app.db.errors import InvalidInputError, StaleRowError
from app.repositories import entities
from tests.support.calls import Call, Rows, calls, calls_with

UPDATES = [call for call in calls() if call.method == "update" and not call.option]
each_update = pytest.mark.parametrize("call", UPDATES, ids=lambda call: call.name)
each_compare_and_set = pytest.mark.parametrize("call", calls_with("expected_updated_at"), ids=lambda call: call.name)


@pytest.fixture
async def rows(db: Database, user_id: str) -> Rows:
    """Write rows of this test's user."""
    return await Rows.of(db, user_id)


def _changes(whole: BaseModel) -> list[BaseModel]:
    """Return an update of nothing, of each field, of each to null where that is allowed, and of everything."""
    model, fields = type(whole), whole.model_dump()
    possible: list[dict[str, Any]] = [{}, fields, *({name: value} for name, value in fields.items())]
    for name in fields:
        try:
            model.model_validate({name: None})
        except ValidationError:
            continue
        possible.append({name: None})
    return [model.model_validate(each) for each in possible]


@each_update
async def test_an_update_changes_only_what_it_names(db: Database, rows: Rows, call: Call) -> None:
    """Omitted fields stay, null fields become null, and `updated_at` grows each time."""
    arguments = await call.arguments(db, rows)
    before = rows.by_table[call.repository.entity.table.name]
    for change in _changes(arguments["data"]):
        after = await call.send(db, arguments | {"data": change})
        expected = {**vars(before), **change.model_dump(exclude_unset=True)}
        if "updated_at" in expected:
            assert after.updated_at > before.updated_at
            expected["updated_at"] = after.updated_at
        assert vars(after) == expected
        before = after


@each_compare_and_set
async def test_the_first_of_two_that_read_the_same_row_wins(db: Database, rows: Rows, call: Call) -> None:
    """No change is overwritten unseen; the time may be in any zone, but must have one."""
    arguments = await call.arguments(db, rows)
    expected = arguments["expected_updated_at"]
    with pytest.raises(InvalidInputError, match="expected_updated_at: must have a time zone"):
        await call.send(db, arguments | {"expected_updated_at": expected.replace(tzinfo=None)})
    first = await call.send(db, arguments)
    for stale in (expected, first.updated_at - timedelta(microseconds=1)):
        with pytest.raises(StaleRowError, match=f"{first.id} has changed since"):
            await call.send(
                db, arguments | {"expected_updated_at": stale, "data": (await call.arguments(db, rows))["data"]}
            )
    assert await call.repository(db)._get(rows.user_id, first.id) == first


@pytest.mark.parametrize("table", [name for name, entity in entities().items() if entity.has_updated_at])
async def test_updated_at_grows_with_every_update_of_any_client(db: Database, rows: Rows, table: str) -> None:
    """It grows in plain SQL too, and by a microsecond each time while the server's clock is behind."""
    update = f"update {table} set user_id = user_id where id = {rows.by_table[table].id} returning updated_at"
    async with db.transaction() as session:
        await session.execute(text("set local session_replication_role = replica"))  # the trigger does not fire
        in_an_hour = update.replace("user_id = user_id", "updated_at = clock_timestamp() + interval '1 hour'")
        ahead = (await session.execute(text(in_an_hour))).scalar_one()
    for step in range(1, 4):
        assert (await db.execute(text(update))).scalar_one() == ahead + timedelta(microseconds=step)
