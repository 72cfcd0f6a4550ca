"""A title needs a visible character: model, database, `check` and migrations agree on what is blank."""

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import InvalidInputError
from app.db.migrations import check, downgrade, upgrade
from app.db.models.blank import VISIBLE, is_blank
from tests.support.databases import MakeDatabase
from tests.support.migrations import FIRST

INSERT = text("insert into task (user_id, title) values (:user_id, :title)")
ROWS = text("select title, updated_at from task order by id")
BLANK = ["\u200b", " \t\u3000", "\ufeff", "\u3164", "\U000e0020"]


async def test_the_database_and_the_model_agree_on_every_character(db: Database) -> None:
    """All 1,112,063 characters are tested one by one."""
    statement = text(
        "select array_agg(code) from generate_series(1, 1114111) as code "
        f"where code not between 55296 and 57343 and chr(code) !~ '{VISIBLE}'"
    )
    blank = (await db.execute(statement)).scalar_one()
    assert blank == [code for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000 and is_blank(chr(code))]
    assert len(blank) == 4199


@pytest.mark.parametrize("title", BLANK, ids=ascii)
async def test_the_database_refuses_a_title_that_shows_nothing(db: Database, user_id: str, title: str) -> None:
    """A client without the models is refused, too."""
    with pytest.raises(InvalidInputError, match="ck_task_title_visible"):
        await db.execute(INSERT, {"user_id": user_id, "title": title})


async def test_titles_from_before_become_visible(make_database: MakeDatabase) -> None:
    """The migration succeeds on rows that the older check accepted; other rows keep their title and time."""
    async with Database(DatabaseSettings(url=await make_database())) as db:
        await upgrade(db.engine, FIRST)
        before = ["milk", "\u200bmilk", "\u200b", "\ufeff\u2060"]
        for title in before:
            await db.execute(INSERT, {"user_id": "ada", "title": title})
        stored = (await db.execute(ROWS)).all()
        await upgrade(db.engine)
        await check(db.engine)
        rows = (await db.execute(ROWS)).all()
        assert [row.title for row in rows] == ["milk", "\u200bmilk", "Untitled", "Untitled"]
        assert rows[:2] == stored[:2]
        await downgrade(db.engine, FIRST)
        await db.execute(INSERT, {"user_id": "ada", "title": "\u200b"})
        await upgrade(db.engine)
