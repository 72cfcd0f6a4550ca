"""What autogenerate writes for a developer's models: it migrates, goes back, passes the gate, and then `check`."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from tests.support.catalog import describe
from tests.support.tree import Tree

LEAFLET = """
class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


class Leaflet(SQLModel, table=True):
    __tablename__: ClassVar[str] = "leaflet"
    __table_args__ = (owner_not_empty(), sa.Index("ix_leaflet_user_id_id", "user_id", newest_first()))

    id: int | None = row_id()
    user_id: str = owner()
    title: str = Field(max_length=200)
    body: str = Field(sa_column=sa.Column(sa.Text, nullable=False))
    pinned: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    mood: Mood = Mood.GOOD
    moods: list[Mood] = Field(sa_column=sa.Column(sa.ARRAY(sa.Enum(Mood)), nullable=False, server_default="{}"))
    due: date | None = None
    lasting: timedelta | None = None
    pages: int = Field(default=3, sa_column_kwargs={"server_default": "3"})
    tags: list[str] = Field(sa_column=sa.Column(postgresql.ARRAY(sa.Text), nullable=False, server_default="{}"))
    more: dict[str, Any] = Field(sa_column=sa.Column(postgresql.JSONB, nullable=False, server_default="{}"))
    raw: dict[str, Any] | None = Field(sa_column=sa.Column(sa.JSON, server_default="{}"))
    created_at: datetime = set_by_database()
    updated_at: datetime = set_by_database(on_update=True)
"""


@pytest.fixture
async def tree(empty_copy: Callable[[], Awaitable[str]], tmp_path: Path) -> Tree:
    """Give a copy of the project whose database is at head."""
    return Tree(tmp_path, await empty_copy())


async def test_a_table_of_every_type_of_column(tree: Tree) -> None:
    """Trigger, enum, array of enum, array, json and date need no editing by hand."""
    tree.write_models(LEAFLET)
    await tree.migrate_as_written("add leaflet")
    assert 'create_updated_at_trigger("leaflet")' in tree.revisions()[0].read_text()
    assert "trigger leaflet.set_updated_at" in await tree.schema()


async def test_changes_of_a_table_with_rows(tree: Tree) -> None:
    """Columns, indexes, keys, checks and enum values each get a revision that passes the gate."""
    tree.write_models(LEAFLET)
    await tree.alembic("revision", "--autogenerate", "-m", "add leaflet")
    await tree.alembic("upgrade", "head")
    tree.write_models(
        LEAFLET.replace('BAD = "bad"', 'BAD = "bad"\n    SO_SO = "so so"')
        .replace("newest_first()))", f"newest_first()), {CHANGES})")
        .replace("    created_at", f"{COLUMNS}    created_at")
    )
    async with Database(DatabaseSettings(url=tree.url)) as db:
        await db.execute(
            text("insert into leaflet (user_id, title, body, mood, moods) values ('ada', 'x', 'y', 'GOOD', '{BAD}')")
        )
    before = len(tree.revisions())
    await tree.migrate_as_written("change leaflet")
    assert len(tree.revisions()) - before > 1


CHANGES = """
        sa.Index("ix_leaflet_colour", "colour", postgresql_where=sa.text("colour is not null")),
        sa.UniqueConstraint("user_id", "title"),
        sa.CheckConstraint("colour in ('red', 'blue')", name="colour_known"),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], ondelete="CASCADE"),
    """
COLUMNS = """\
    colour: str | None = None
    task_id: int | None = Field(sa_column=sa.Column(sa.BigInteger))
"""


ADDED = """
        sa.CheckConstraint("title not like '%a:b%'", name="title_plain"),
        sa.UniqueConstraint("user_id", "due", name="uq_due", postgresql_nulls_not_distinct=True),
        sa.UniqueConstraint("user_id", "body", name="uq_body", deferrable=True, initially="DEFERRED"),
        sa.Index("ix_case", sa.text("(case when title = 'x:y' then 1 end)"), sa.text("lower(body) desc")),
    """


async def test_what_the_server_rewrites_or_could_be_lost_comes_back_as_written(tree: Tree) -> None:
    """Percent signs, quotes in a default, options of a constraint, and expressions that PostgreSQL writes otherwise."""
    bare = LEAFLET.replace("    updated_at: datetime = set_by_database(on_update=True)\n", "")
    tree.write_models(bare)
    await tree.alembic("revision", "--autogenerate", "-m", "add leaflet")
    await tree.alembic("upgrade", "head")
    async with Database(DatabaseSettings(url=tree.url)) as db:
        await db.execute(text("insert into leaflet (user_id, title, body, mood) values ('ada', 'x', 'y', 'GOOD')"))
    tree.write_models(
        LEAFLET.replace("newest_first()))", f"newest_first()), {ADDED})").replace(
            "sa_column=sa.Column(sa.Text, nullable=False)",
            """sa_column=sa.Column(sa.Text, nullable=False, server_default="it's 100%")""",
        )
    )
    await tree.migrate_as_written("change leaflet")
    async with Database(DatabaseSettings(url=tree.url)) as db:
        await db.execute(
            text("insert into leaflet (user_id, title, mood, due) values ('ada', 'z', 'GOOD', current_date)")
        )
        await db.execute(text("update leaflet set title = 'w'"))
        moved = "select body, updated_at > created_at from leaflet order by id"
        assert list(map(tuple, await db.execute(text(moved)))) == [("y", True), ("it's 100%", True)]


@pytest.mark.parametrize(
    ("was", "becomes"),
    [("mood = 'GOOD'", "title = 'GOOD'"), ("mood = 'GOOD'", "mood = 'BAD'")],
    ids=["column", "constant"],
)
async def test_another_predicate_of_an_index_is_found(tree: Tree, was: str, becomes: str) -> None:
    """The index is made anew."""
    index = """sa.Index("ix_mood", "title", postgresql_where=sa.text("{}")),"""
    tree.write_models(LEAFLET.replace("newest_first()))", f"newest_first()), {index.format(was)})"))
    await tree.alembic("revision", "--autogenerate", "-m", "add leaflet")
    await tree.alembic("upgrade", "head")
    await tree.alembic("check")
    tree.write_models(LEAFLET.replace("newest_first()))", f"newest_first()), {index.format(becomes)})"))
    await tree.migrate_as_written("another predicate")


async def test_a_table_without_a_model_is_dropped_for_a_reason_and_comes_back_whole(tree: Tree) -> None:
    """Its trigger and its enum types go with it, and return. A table that no revision of ours has made is not seen."""
    tree.write_models(LEAFLET)
    await tree.alembic("revision", "--autogenerate", "-m", "add leaflet")
    await tree.alembic("upgrade", "head")
    async with Database(DatabaseSettings(url=tree.url)) as db:
        await db.execute(text("create table theirs (id bigint, updated_at timestamptz)"))
    tree.write_models("")
    before = await tree.schema()
    await tree.alembic("revision", "--autogenerate", "-m", "no leaflet")
    path = next(each for each in tree.revisions() if "no_leaflet" in each.name)
    status, said = await tree.run("tools.revision_gate")
    assert (status, "ban-drop-table" in said, "ban-drop-type" in said) == (1, True, True), said
    reasons = ", ".join(re.findall(r'explained = {(".+?": "the reason")}', said))
    path.write_text(path.read_text().replace("\ndef upgrade", f"explained = {{{reasons}}}\n\n\ndef upgrade", 1))
    assert await tree.run("tools.revision_gate") == (0, "")
    await tree.alembic("upgrade", "head")
    await tree.alembic("check")
    assert [name for name in await tree.schema() if "leaflet" in name or "mood" in name] == []
    await tree.alembic("downgrade", "-1")
    assert await tree.schema() == before


KIND = """
class Label(SQLModel, table=True):
    __tablename__: ClassVar[str] = "label"
    __table_args__ = (sa.CheckConstraint("kind in ('red', 'blue')", name="kind_known"),)

    id: int | None = row_id()
    kind: str
    shade: str = Field(
        sa_column=sa.Column(
            sa.Enum("dark", "light", name="shade", native_enum=False, create_constraint=True), nullable=False
        )
    )
    tone: str = Field(sa_column=sa.Column(sa.Enum("low", "high", name="tone"), nullable=False, server_default="low"))
"""


async def test_the_values_that_a_check_allows(tree: Tree) -> None:
    """Adding values passes the gate, for a check written by hand and for an enum without a type in the database."""
    tree.write_models(KIND)
    await tree.migrate_as_written("add label")
    tree.write_models(KIND.replace("'blue'", "'blue', 'green'").replace('"dark"', '"dark", "grey"'))
    await tree.migrate_as_written("more kinds")
    async with Database(DatabaseSettings(url=tree.url)) as db:
        await db.execute(text("insert into label (kind, shade, tone) values ('green', 'grey', 'low')"))


async def test_a_value_taken_from_an_enum_wants_a_reason(tree: Tree) -> None:
    """Running code may write it: the gate refuses; with a reason it goes up and down with rows and defaults."""
    tree.write_models(KIND)
    await tree.alembic("revision", "--autogenerate", "-m", "add label")
    await tree.alembic("upgrade", "head")
    async with Database(DatabaseSettings(url=tree.url)) as db:
        await db.execute(text("insert into label (kind, shade, tone) values ('red', 'dark', 'low')"))
    tree.write_models(KIND.replace('"low", "high"', '"low"'))
    before = await tree.schema()
    await tree.alembic("revision", "--autogenerate", "-m", "less tones")
    status, said = await tree.run("tools.revision_gate")
    assert (status, "replace-enum: code that runs" in said) == (1, True), said
    path = next(each for each in tree.revisions() if "less" in each.name)
    explained = 'explained = {"replace-enum": "no code since 2.3 writes it"}\n\n\ndef upgrade'
    path.write_text(path.read_text().replace("\ndef upgrade", explained, 1))
    assert await tree.run("tools.revision_gate") == (0, "")
    await tree.alembic("upgrade", "head")
    await tree.alembic("check")
    await tree.alembic("downgrade", "-1")
    assert await tree.schema() == before
    await tree.alembic("upgrade", "head")


async def test_a_model_that_loses_its_time_of_change_loses_the_trigger(tree: Tree) -> None:
    """The trigger would make every update fail; as always, dropping the column needs a reason."""
    tree.write_models(LEAFLET)
    await tree.alembic("revision", "--autogenerate", "-m", "add leaflet")
    await tree.alembic("upgrade", "head")
    tree.write_models(LEAFLET.replace("    updated_at: datetime = set_by_database(on_update=True)\n", ""))
    await tree.alembic("revision", "--autogenerate", "-m", "no time")
    await tree.alembic("upgrade", "head")
    await tree.alembic("check")
    async with Database(DatabaseSettings(url=tree.url)) as db:
        assert "trigger leaflet.set_updated_at" not in await describe(db)
    await tree.alembic("downgrade", "-1")
    assert "trigger leaflet.set_updated_at" in await tree.schema()


async def test_nothing_is_written_where_nothing_differs(tree: Tree) -> None:
    """An empty revision would claim that something differs."""
    assert "Nothing to write" in await tree.alembic("revision", "--autogenerate", "-m", "nothing")
    assert tree.revisions() == []
