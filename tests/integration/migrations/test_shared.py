"""Several applications of this kind in one database: in one schema with a version table each, or each in its own."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError, DatabaseAheadError, NotDoneError
from app.db.migrations import check, current, downgrade, upgrade
from app.db.models import TaskCreate
from app.repositories import TaskRepo
from tests.support.catalog import describe
from tests.support.databases import MakeDatabase
from tests.support.migrations import HEAD
from tests.support.tree import Tree

BADGE = """
class Badge(SQLModel, table=True):
    __tablename__: ClassVar[str] = "badge"

    id: int | None = row_id()
    name: str
    updated_at: datetime = set_by_database(on_update=True)
"""


def other_application(folder: Path, url: str) -> Tree:
    """Return a similar project with one table, and its own history, version table and trigger function."""
    tree = Tree(folder, url)
    for path in (folder / "alembic/versions").glob("*.py"):
        path.unlink()
    (folder / "app/db/models/__init__.py").write_text("from app.db.models.base import metadata as metadata\n")
    tree.write_models(BADGE)
    trigger = folder / "app/db/models/updated_at.py"
    trigger.write_text(trigger.read_text().replace('"set_updated_at"', '"set_updated_at_of_badges"'))
    ini = folder / "alembic.ini"
    ini.write_text(ini.read_text().replace("version_table = alembic_version", "version_table = badge_version"))
    return tree


async def test_two_applications_in_one_schema(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Each migrates, checks and goes back to base; the other's tables, version and trigger function stay."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    other = other_application(tmp_path, url)
    await upgrade(settings)
    await other.alembic("revision", "--autogenerate", "-m", "add badge")
    written = other.revisions()[0].read_text()
    assert ("badge" in written, "task" in written) == (True, False)
    await other.alembic("upgrade", "head")
    await other.alembic("check")
    await check(settings)
    async with Database(settings) as db:
        await db.execute(text("insert into badge (name, updated_at) values ('x', '2000-01-01')"))
        both = await describe(db)
        await downgrade(settings, "base")
        assert [name for name in await describe(db) if "badge" not in name] == []
        await other.alembic("check")
        await db.execute(text("update badge set name = 'y'"))
        moved = (await db.execute(text("select updated_at > '2020-01-01' from badge"))).scalar_one()
        assert moved is True
        await upgrade(settings)
        assert await describe(db) == both
        await other.alembic("-x", "yes", "downgrade", "base")
        left = {name: each for name, each in (await describe(db)).items() if "badge_version" not in name}
        assert left == {name: both[name] for name in both if "badge" not in name}
        await check(settings)
    assert await current(settings) == HEAD


READY = """
import asyncio
from app.api.readiness import Readiness
from app.db import Database, DatabaseSettings

async def main() -> None:
    async with Database(DatabaseSettings()) as db:
        readiness = Readiness(db)
        await readiness.check()
        await readiness.close()

asyncio.run(main())
"""


async def test_readiness_reads_the_version_table_of_alembic_ini(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Another application's `alembic_version` says nothing about this one."""
    url = await make_database()
    tree = Tree(tmp_path, url)
    ini = tmp_path / "alembic.ini"
    ini.write_text(ini.read_text().replace("version_table = alembic_version", "version_table = own_version"))
    (tmp_path / "ready.py").write_text(READY)
    async with Database(DatabaseSettings(url=url)) as db:
        await db.execute(text("create table alembic_version (version_num text)"))
        await db.execute(text("insert into alembic_version values ('theirs')"))
    status, said = await tree.run("ready")
    assert (status, "migrations are behind" in said) == (1, True), said
    await tree.alembic("upgrade", "head")
    status, said = await tree.run("ready")
    assert status == 0, said


async def in_schema(url: str, path: str) -> DatabaseSettings:
    """Return settings whose sessions work in the first schema of a path; the schema is created."""
    async with Database(DatabaseSettings(url=url)) as db:
        await db.execute(text(f"create schema if not exists {path.partition(',')[0]}"))
    options = f"-csearch_path={path}"
    return DatabaseSettings(
        url=make_url(url).update_query_dict({"options": options}).render_as_string(hide_password=False)
    )


@pytest.mark.parametrize("path", ["first", "first,public"])
async def test_two_applications_in_schemas_of_their_own(make_database: MakeDatabase, path: str) -> None:
    """Up, check and down in one leave the other as it is."""
    url = await make_database()
    first, second = await in_schema(url, path), await in_schema(url, "second")
    await asyncio.gather(upgrade(first), upgrade(second))
    async with Database(first) as one, Database(second) as two:
        await TaskRepo(one).create("ada", TaskCreate(title="x"))
        assert await TaskRepo(two).count("ada") == 0
    await check(first)
    await check(second)
    await downgrade(first, "base")
    assert (await current(first), await current(second)) == (None, HEAD)
    await check(second)
    async with Database(DatabaseSettings(url=url)) as db:
        assert await describe(db) == {}  # in public


async def test_another_applications_version_table_later_in_the_path_is_left_alone(
    make_database: MakeDatabase,
) -> None:
    """Alembic alone would write into the first one that it finds."""
    url = await make_database()
    ours = await in_schema(url, "ours,public")
    async with Database(DatabaseSettings(url=url)) as db:
        await db.execute(text("create table public.alembic_version (version_num varchar(32) primary key)"))
        await db.execute(text("insert into public.alembic_version values ('theirs')"))
        await upgrade(ours)
        await check(ours)
        await downgrade(ours, "base")
        await upgrade(ours)
        theirs = await db.execute(text("select version_num from public.alembic_version"))
        assert theirs.scalars().all() == ["theirs"]
    assert await current(ours) == HEAD


async def test_tables_of_ours_later_in_the_path_are_not_made_twice(make_database: MakeDatabase) -> None:
    """With an empty schema before them, a migration cannot know which of the two is meant."""
    url = await make_database()
    await upgrade(DatabaseSettings(url=url))
    empty = await in_schema(url, "empty,public")
    with pytest.raises(ConfigurationError, match="search_path = public; or = empty"):
        await upgrade(empty)
    with pytest.raises(ConfigurationError, match="nothing was done"):
        await downgrade(empty, "base")
    assert await current(DatabaseSettings(url=url)) == HEAD


@pytest.mark.parametrize(
    ("statements", "kind", "says"),
    [
        (("create table alembic_version (version_num text)", "insert into alembic_version values ('theirs')"),
         ConfigurationError, "revision theirs of another application"),
        (("create table alembic_version (id int)",), ConfigurationError, "is not an Alembic version table"),
        (("create table task (id int)", "create table alembic_version (version_num text)",
          "insert into alembic_version values ('newer')"), DatabaseAheadError, "newer code has migrated it"),
    ],
)  # fmt: skip
async def test_a_version_table_that_is_not_ours_is_told_from_newer_code(
    make_database: MakeDatabase, statements: tuple[str, ...], kind: type[Exception], says: str
) -> None:
    """Nothing is changed, and the remedy is to give this application its own version table or schema."""
    settings = DatabaseSettings(url=await make_database())
    async with Database(settings) as db:
        for statement in statements:
            await db.execute(text(statement))
        before = await describe(db)
        for call in (upgrade(settings), downgrade(settings, "base"), check(settings)):
            with pytest.raises(ConfigurationError, match=says) as refused:
                await call
            assert type(refused.value) is kind
            assert kind is DatabaseAheadError or "version table of its own" in str(refused.value)
        assert await describe(db) == before


async def test_what_another_application_built_on_our_table_is_named_and_stays(make_database: MakeDatabase) -> None:
    """The revision that would drop the table is not undone, and the error says what depends on it."""
    settings = DatabaseSettings(url=await make_database())
    await upgrade(settings)
    async with Database(settings) as db:
        await db.execute(text("create view open_tasks as select title from task where not completed"))
        await check(settings)
        await db.execute(text("insert into task (user_id, title) values ('ada', 'kept')"))
        with pytest.raises(NotDoneError, match="view open_tasks depends on table task"):
            await downgrade(settings, "base")
        assert (await db.execute(text("select title from open_tasks"))).scalar_one() == "kept"
        await db.execute(text("drop view open_tasks"))
        await downgrade(settings, "base")
        assert await current(settings) is None
