"""A column of an enum is written, changed and read on shards as elsewhere."""

from collections.abc import AsyncIterator
from enum import StrEnum
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, MetaData, Table, text

from app.db import Database
from app.db.models.base import one_of
from app.db.query import Query, Record, WhenLost
from app.repositories.columns import equals, parameter, pinned
from app.repositories.owner import owned, owner


class Mood(StrEnum):
    """Values of which each needs to be quoted."""

    GLAD = "gl'ad"
    SAD = 'sad :p_user_id "100 %"'


@pytest.fixture
async def moods(db: Database, form: str) -> AsyncIterator[Table]:
    """Create a table of a user's moods, sharded where the others are."""
    name = f"mood_{uuid4().hex[:8]}"
    kind: Column[str] = Column("kind", one_of(Mood, name=f"{name}_kind"), nullable=False)
    table = Table(name, MetaData(), Column("user_id", sa.String(255)), kind)
    async with db.engine.begin() as connection:
        await connection.run_sync(table.metadata.create_all)
        if form == "citus":
            await connection.execute(text(f"select create_distributed_table('{name}', 'user_id')"))
    yield table
    async with db.engine.begin() as connection:
        await connection.run_sync(table.metadata.drop_all)


async def test_an_enum_is_written_changed_and_found(db: Database, moods: Table, user_id: str) -> None:
    """Citus refuses a cast from or to it in RETURNING and in COALESCE, where an entity's create and update have it."""
    kind, mine = moods.c.kind, owned(moods)
    new = sa.func.coalesce(parameter(kind), kind)
    statements = {
        "create": sa.insert(moods).values(user_id=owner(), kind=parameter(kind)).returning(pinned(kind)),
        "update": sa.update(moods).where(mine).values(kind=new).returning(pinned(kind)),
        "found": sa.select(pinned(kind)).where(mine, equals(kind, parameter(kind))),
    }
    queries = {
        name: Query(f"{moods.name}.{name}", statement, Record, WhenLost.UNKNOWN)
        for name, statement in statements.items()
    }
    for name, sent, found in [
        ("create", Mood.GLAD, [Mood.GLAD]),
        ("update", Mood.SAD, [Mood.SAD]),
        ("update", None, [Mood.SAD]),
        ("found", Mood.SAD, [Mood.SAD]),
        ("found", Mood.GLAD, []),
    ]:
        rows = await db.fetch(queries[name], {"p_user_id": user_id, "p_kind": sent and sent.value})
        assert [row["kind"] for row in rows] == found
