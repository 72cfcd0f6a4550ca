"""Every table whose rows have owners is exported, imported and erased, those that are added later included."""

import json

from app.db import Database
from app.repositories import entities
from app.userdata import check_lines, erase_user, import_user
from app.userdata.tables import user_tables
from tests.support.exported import exported, furnish, stored


def test_every_entity_is_a_table_of_a_user() -> None:
    """The list is made from the models; nobody keeps it."""
    assert entities().keys() <= {each.name for each in user_tables()}


async def test_every_row_comes_back_as_it_was(db: Database, user_id: str) -> None:
    """Values, times and idempotency keys are those of the first user, and a second export is equal byte for byte."""
    await furnish(db, user_id)
    before = await stored(db, user_id)
    assert all(before.values())
    file = await exported(db, user_id)
    lines = file.splitlines(keepends=True)
    rows = {name: len(found) for name, found in before.items()}
    assert check_lines(lines) == await import_user(db, f"{user_id}-2", lines) == rows
    assert await stored(db, f"{user_id}-2") == before
    assert await exported(db, f"{user_id}-2") == file


async def test_every_row_refers_to_what_it_referred_to(db: Database, user_id: str) -> None:
    """A reference is the place of the other row among the user's, whatever ids the two have."""
    await furnish(db, user_id)
    rows = [json.loads(line) for line in (await exported(db, user_id)).splitlines()[1:-1]]
    places = {(table, values["id"]) for row in rows for table, values in row.items()}
    for each in user_tables():
        for column, parent in each.parents.items():
            referred = {(parent, row[each.name][column]) for row in rows if each.name in row}
            assert referred <= places | {(parent, None)}
            assert len(referred) > 1


async def test_every_row_is_erased_and_nobody_elses(db: Database, user_id: str) -> None:
    """The steps are counted by table, and an erased user can be imported again, or erased again."""
    others = f"{user_id}-2"
    for user in (user_id, others):
        await furnish(db, user)
    file, kept = await exported(db, user_id), await stored(db, others)
    counts = {name: len(found) for name, found in (await stored(db, user_id)).items()}
    assert dict([step async for step in erase_user(db, user_id)]) == counts
    assert not any((await stored(db, user_id)).values())
    assert await stored(db, others) == kept
    await import_user(db, user_id, file.splitlines(keepends=True))
    assert await exported(db, user_id) == file
    assert [step async for step in erase_user(db, f"{user_id}-3")] == []
