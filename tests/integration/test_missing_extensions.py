"""An extension that is missed as a type, a function or an operator class is named, and the advice helps."""

import re

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.migrations import upgrade
from tests.support.databases import MakeDatabase
from tests.support.migrations import with_revisions

MISSED = {
    "citext": "select cast('a' as citext)",
    "hstore": "select cast('a=>1' as hstore)",
    "pg_trgm": "select similarity('a', 'b')",
    "unaccent": "select unaccent('a')",
    "ltree": "select cast('a.b' as ltree)",
    "fuzzystrmatch": "select levenshtein('a', 'b')",
}


async def _refusal(db: Database, statement: str) -> str | None:
    try:
        await db.execute(text(statement))
    except ConfigurationError as error:
        return error.advice or str(error)
    return None


@pytest.mark.parametrize("name", MISSED)
async def test_it_is_there_after_it_was_created_as_told(make_database: MakeDatabase, name: str) -> None:
    """In a schema outside the search_path it exists already, and its schema is added."""
    settings = DatabaseSettings(url=await make_database())
    async with Database(settings) as db:
        if not (await db.execute(text(f"select name from pg_available_extensions where name = '{name}'"))).all():
            pytest.skip(f"this server has no files of {name}")
        said = await _refusal(db, MISSED[name])
        assert said is not None
        found = re.search(r"It belongs to the extension (\S+)\. [^:]*: (create extension \S+;)", said)
        assert found
        assert found[1] == name
        await db.execute(text("create schema extensions"))
        await db.execute(text(found[2].replace(";", " schema extensions")))
        assert await _refusal(db, MISSED[name]) == said
        query = said[said.rindex("select ") :].rstrip(";")
        schema = (await db.execute(text(query))).scalar_one()
        await db.execute(text(f"alter database {settings.target().database} set search_path = public, {schema}"))
    async with Database(settings) as db:
        assert await _refusal(db, MISSED[name]) is None
        await db.execute(text(f"drop extension {name} cascade"))
        assert await _refusal(db, MISSED[name]) == said
        await db.execute(text(found[2]))
        assert await _refusal(db, MISSED[name]) is None


async def test_a_migration_names_it_too(
    make_database: MakeDatabase, tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded server has no vector type, and the sentence is that of a statement."""
    folder = with_revisions(tmp_path, vector="op.execute('create table leaflet (place vector(3))')")  # type: ignore[arg-type]
    monkeypatch.setattr("app.db.migrations.history.INI_FILES", (folder / "alembic.ini",))
    settings = DatabaseSettings(url=await make_database())
    async with Database(settings) as db:
        said = await _refusal(db, "create table leaflet (place vector(3))")
    with pytest.raises(ConfigurationError, match="It belongs to the extension vector") as refused:
        await upgrade(settings)
    assert refused.value.advice == said
