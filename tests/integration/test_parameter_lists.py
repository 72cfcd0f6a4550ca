"""`Database.execute` with a list of parameters applies all of them or none."""

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import insert, text

from app.db import Database, DatabaseSettings
from app.db.errors import InvalidInputError
from app.db.models import Task
from app.db.models.base import table_of
from app.repositories import TaskRepo

_ROWS = 1_200  # more than SQLAlchemy puts into one statement
_PLAIN = insert(table_of(Task))
_RETURNING = _PLAIN.returning(table_of(Task).c.id)

# A sequence counts the attempts: a rollback does not undo its values.
_REFUSE_THE_LAST_ONCE = (
    "create sequence tries",
    """create function refuse() returns trigger language plpgsql as $$
       begin
         if new.title = 'last' and nextval('tries') = 1 then raise exception 'again' using errcode = '40001'; end if;
         return new;
       end $$""",
    "create trigger refuse before insert on task for each row execute function refuse()",
)


def _tasks(user_id: str, *, last: str) -> list[dict[str, object]]:
    return [
        {"user_id": user_id, "title": "x" if number < _ROWS else last, "completed": False}
        for number in range(1, _ROWS + 1)
    ]


@pytest.mark.parametrize("statement", [_PLAIN, _RETURNING], ids=["plain", "returning"])
async def test_a_list_that_is_tried_again_is_written_once(
    empty_copy: Callable[[], Awaitable[str]], user_id: str, statement: object
) -> None:
    """The same holds when it takes several statements and a later one fails the first time."""
    async with Database(DatabaseSettings(url=await empty_copy())) as db:
        for ddl in _REFUSE_THE_LAST_ONCE:
            await db.execute(text(ddl))
        await db.execute(statement, _tasks(user_id, last="last"))  # type: ignore[arg-type]  # an insert
        assert await TaskRepo(db).count(user_id) == _ROWS


@pytest.mark.parametrize("statement", [_PLAIN, _RETURNING], ids=["plain", "returning"])
async def test_a_list_with_a_bad_row_is_not_written_at_all(db: Database, user_id: str, statement: object) -> None:
    """The rows before the bad one are not written, either."""
    with pytest.raises(InvalidInputError):
        await db.execute(statement, _tasks(user_id, last=" "))  # type: ignore[arg-type]  # an insert
    assert await TaskRepo(db).count(user_id) == 0


async def test_a_list_returns_what_each_row_got(db: Database, user_id: str) -> None:
    """All rows can be read after the connection is back in the pool."""
    ids = (await db.execute(_RETURNING, _tasks(user_id, last="x"))).scalars().all()
    assert len(set(ids)) == _ROWS
    assert db.pool_status().in_use == 0
