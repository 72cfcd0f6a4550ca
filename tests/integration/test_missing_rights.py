"""A missing right is told alike by an error, `/readyz`, the doctor and a migration; the owner grants it as told."""

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import make_url, text

from app.db import Database, DatabaseSettings
from app.db.access import Roles, application_rights, give_rights
from app.db.errors import ConfigurationError, DataAccessError
from app.db.migrations import upgrade
from app.db.models import TaskCreate, metadata
from app.db.revisions import version_table_name
from app.doctor import Level, examine
from app.repositories import TaskRepo
from tests.api.support import in_process
from tests.support.databases import MakeDatabase

_SAID = re.compile(r"The role \S+ may not .*?\. (?:As|In) [^:]*: (?P<statement>(?:[a-z][^;]*; ?)+)")


@dataclass
class Place:
    """A migrated database, its owner, and the application's role; tables are in `schema`."""

    url: str
    name: str
    schema: str

    def settings(self, role: str) -> DatabaseSettings:
        """Return the settings of a role."""
        url = make_url(self.url).set(username=role)
        if self.schema != "public":
            url = url.update_query_dict({"options": f"-csearch_path={self.schema}"})
        return DatabaseSettings(url=url.render_as_string(hide_password=False), retry_seconds=1)

    @property
    def application(self) -> DatabaseSettings:
        """The settings of the application."""
        return self.settings(f"{self.name}_app")

    async def run(self, statements: str, *, role: str | None = None) -> None:
        """Run statements as the owner without a search_path, or as another role."""
        settings = DatabaseSettings(
            url=make_url(self.url).set(username=role or f"{self.name}_owner").render_as_string(hide_password=False)
        )
        async with Database(settings) as db, db.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            for statement in filter(None, map(str.strip, statements.split(";"))):
                await connection.exec_driver_sql(statement)


@asynccontextmanager
async def place(url: str, schema: str) -> AsyncIterator[Place]:
    """Migrate as an owner who is no superuser, and give the application its rights."""
    made = Place(url, f"rights_{secrets.token_hex(4)}", schema)
    superuser = str(make_url(url).username)
    owner, application = f"{made.name}_owner", f"{made.name}_app"
    await made.run(
        f"create role {owner} login createrole; create role {application} login; create role {made.name}_reader;"
        f"alter database {make_url(url).database} owner to {owner};"
        f"create schema if not exists {schema}; alter schema {schema} owner to {owner}",
        role=superuser,
    )
    await upgrade(made.settings(owner))
    await give_rights(made.settings(owner), Roles(application, f"{made.name}_reader"))
    yield made
    await made.run(f"alter database {make_url(url).database} owner to {superuser}", role=superuser)
    for role in (application, f"{made.name}_reader", owner):
        await made.run(f"drop owned by {role} cascade; drop role {role}", role=superuser)


async def _by_error(settings: DatabaseSettings) -> str | None:
    """Return what a write says."""
    async with Database(settings) as db:
        try:
            await TaskRepo(db).create("ada", TaskCreate(title="x"))
        except DataAccessError as error:
            return str(error)
    return None


async def _by_statement(settings: DatabaseSettings) -> str | None:
    """Return what plain SQL of each table says."""
    async with Database(settings) as db:
        try:
            for table in application_rights():
                await db.execute(text(f"select 1 from {table} limit 1"))
        except DataAccessError as error:
            return str(error)
    return None


async def _in_a_transaction(settings: DatabaseSettings) -> str | None:
    async with Database(settings) as db:
        try:
            async with db.transaction() as session:
                for table in metadata.sorted_tables:
                    await session.execute(text(f"update {table.name} set id = id where false"))
        except DataAccessError as error:
            return str(error)
    return None


async def _by_readiness(settings: DatabaseSettings) -> str | None:
    async with in_process(settings.url.get_secret_value()) as running, running.client() as client:
        detail = (await client.get("/readyz")).json().get("detail")
    return None if detail is None else str(detail)


async def _by_the_doctor(settings: DatabaseSettings) -> str | None:
    """Return the advice of the first finding about rights."""
    findings = (await examine(settings)).findings
    wrong = [
        each for each in findings if each.level > Level.WARNING and each.group in ("access", "schema", "connection")
    ]
    return wrong[0].advice if wrong else None


async def _by_a_migration(settings: DatabaseSettings) -> str | None:
    try:
        await upgrade(settings)
    except ConfigurationError as error:
        return str(error)
    return None


SPEAKERS = {
    "error": _by_error,
    "statement": _by_statement,
    "transaction": _in_a_transaction,
    "readiness": _by_readiness,
    "doctor": _by_the_doctor,
    "migration": _by_a_migration,
}
# What the owner does, the statement that all of these say, and who notices.
STATES = {
    "the schema": (
        "revoke usage on schema {schema} from {app}, public",
        "grant usage on schema {schema} to {app};",
        ("error", "statement", "transaction", "readiness", "doctor"),
    ),
    "a table": (
        "revoke all on {prefix}task from {app}",
        "grant select, insert, update, delete on {prefix}task to {app};",
        ("error", "statement", "transaction", "readiness", "doctor"),
    ),
    "one right on a table": (
        "revoke insert on {prefix}task from {app}",
        "grant select, insert, update, delete on {prefix}task to {app};",
        ("error", "readiness", "doctor"),
    ),
    "the version table": (
        "revoke all on {prefix}{version} from {app}",
        "grant select on {prefix}{version} to {app};",
        ("statement", "readiness", "doctor"),
    ),
    "the right to connect": (
        "revoke connect on database {database} from {app}, public",
        "grant connect on database {database} to {app};",
        ("error", "statement", "transaction", "readiness", "doctor", "migration"),
    ),
    "the version table, for a migration": (
        "revoke all on {prefix}{version} from {app}",
        "grant select, insert, update, delete on {prefix}{version} to {app};",
        ("migration",),
    ),
}


def _statement(said: str) -> str:
    """Return the statement in a sentence; the doctor's advice may be nothing else."""
    found = _SAID.search(said)
    return found["statement"].strip() if found else said


@pytest.mark.parametrize("schema", ["public", "ours"])
@pytest.mark.parametrize("state", STATES)
async def test_all_say_the_same_statement_and_it_helps(make_database: MakeDatabase, state: str, schema: str) -> None:
    """For each of them the right is taken away, its statement is run by the owner, and it says nothing more."""
    async with place(await make_database(), schema) as where:
        prefix = "" if schema == "public" else f"{schema}."
        words = {"schema": schema, "app": f"{where.name}_app", "prefix": prefix, "version": version_table_name()}
        words["database"] = str(make_url(where.url).database)
        done, expected, speakers = (each if isinstance(each, tuple) else each.format(**words) for each in STATES[state])
        for speaker in speakers:
            speak = SPEAKERS[speaker]
            assert await speak(where.application) is None, speaker
            await where.run(str(done))
            said = await speak(where.application)
            assert said is not None, speaker
            assert _statement(said) == expected, speaker
            await where.run(_statement(said))


@pytest.mark.parametrize("speaker", ["error", "statement", "transaction", "readiness", "doctor", "migration"])
async def test_a_schema_that_is_gone_is_made_again_as_told(make_database: MakeDatabase, speaker: str) -> None:
    """Afterwards the database is as never migrated, and says so."""
    async with place(await make_database(), "ours") as where:
        await where.run("drop schema ours cascade")
        said = await SPEAKERS[speaker](where.application)
        assert said is not None
        assert _statement(said).startswith("create schema if not exists ours; grant usage")
        await where.run(_statement(said))
        after = await SPEAKERS[speaker](where.application)
        assert after is None or not _SAID.search(after)


async def test_no_rights_on_the_systems_own_tables_are_advised(make_database: MakeDatabase) -> None:
    """A role that can write pg_authid can make itself a superuser."""
    async with place(await make_database(), "ours") as where, Database(where.application) as db:
        with pytest.raises(ConfigurationError) as refused:
            await db.execute(text("select rolpassword from pg_authid"))
        assert refused.value.advice is None


async def test_an_extension_that_the_server_lacks_is_told_as_it_is(make_database: MakeDatabase) -> None:
    """No statement helps: its files are missing on the server, whichever version of PostgreSQL says so."""
    async with Database(DatabaseSettings(url=await make_database())) as db:
        with pytest.raises(DataAccessError) as refused:
            await db.execute(text("create extension nowhere_to_be_found"))
        assert "The extension nowhere_to_be_found has no files" in str(refused.value)
        listed = (await db.execute(text("select name from pg_available_extensions"))).scalars().all()
        assert "plpgsql" in listed
        assert "nowhere_to_be_found" not in listed
