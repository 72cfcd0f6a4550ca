"""Three roles, each of which can do its work and nothing else."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.db import Database, DatabaseSettings
from app.db.access import Roles, give_rights
from app.db.errors import ConfigurationError
from app.db.migrations import upgrade
from app.db.models import metadata
from tests.support.calls import Call, Rows, calls
from tests.support.databases import MakeDatabase

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Divided:
    """A database at head with its three roles; the superuser takes a role through `options`."""

    url: str
    owner: str
    roles: Roles

    def settings(self, role: str) -> DatabaseSettings:
        """Return the settings of a client that has exactly the rights of `role`."""
        return DatabaseSettings(url=f"{self.url}{'&' if '?' in self.url else '?'}options=-c%20role%3D{role}")


@pytest.fixture(scope="module")
async def divided(make_database: MakeDatabase) -> AsyncIterator[Divided]:
    """Create the roles, and the tables as their owner."""
    suffix, url = uuid4().hex[:8], await make_database()
    place = Divided(url, f"owner_{suffix}", Roles(f"app_{suffix}", f"reader_{suffix}"))
    async with Database(DatabaseSettings(url=url)) as db:
        await db.execute(text(f"create role {place.owner} createrole"))
        await db.execute(text(f"alter database {make_url(url).database} owner to {place.owner}"))
        await upgrade(place.settings(place.owner))
        await give_rights(place.settings(place.owner), place.roles)
        yield place
        for role in (place.roles.application, place.roles.reader):
            await db.execute(text(f"drop owned by {role}"))
            await db.execute(text(f"drop role {role}"))
        await db.execute(text(f"reassign owned by {place.owner} to current_user"))
        await db.execute(text(f"drop owned by {place.owner}"))
        await db.execute(text(f"drop role {place.owner}"))


async def _is_refused(db: Database, statement: str) -> bool:
    try:
        await db.execute(text(statement))
    except ConfigurationError as error:
        return error.sqlstate == "42501"
    return False


@pytest.mark.parametrize("call", calls(), ids=lambda call: call.name)
async def test_the_application_can_make_every_call(divided: Divided, call: Call) -> None:
    """Each method of each repository works with the application's rights and no others."""
    async with Database(divided.settings(divided.roles.application)) as db:
        await call.run(db, await Rows.of(db, f"user-{uuid4().hex}"))


async def test_the_application_can_change_nothing_but_rows(divided: Divided) -> None:
    """It can change no table, trigger, revision, schema or row-level security policy."""
    async with Database(divided.settings(divided.roles.application)) as db:
        for table in metadata.tables:
            for statement in (
                f"truncate {table}",
                f"drop table {table}",
                f"alter table {table} add column x int",
                f"alter table {table} disable trigger all",
                f"alter table {table} disable row level security",
                f"create index on {table} (id)",
            ):
                assert await _is_refused(db, statement), statement
        for statement in (
            "update alembic_version set version_num = 'x'",
            "create table mine (id int)",
            "create operator public.= (leftarg = varchar, rightarg = varchar, function = texteq)",
            "create schema mine",
        ):
            assert await _is_refused(db, statement), statement
        assert (await db.execute(text("select count(*) from alembic_version"))).scalar_one() == 1


async def test_the_reader_reads_every_table_and_writes_none(divided: Divided) -> None:
    """The role is for reports and support."""
    async with Database(divided.settings(divided.roles.reader)) as db:
        for table in metadata.tables:
            await db.execute(text(f"select * from {table}"))
            assert await _is_refused(db, f"delete from {table}")
            assert await _is_refused(db, f"update {table} set user_id = 'x'")
        assert await _is_refused(db, "insert into task (user_id, title) values ('x', 'x')")


async def test_rights_can_be_given_again_and_take_away_what_is_too_much(divided: Divided) -> None:
    """The rights are granted after each migration, and other grants are revoked."""
    application = divided.roles.application
    async with Database(divided.settings(divided.owner)) as owner:
        await owner.execute(text(f"grant truncate on task to {application}"))
    statements = await give_rights(divided.settings(divided.owner), divided.roles)
    assert not any(statement.startswith("create role") for statement in statements)
    async with Database(divided.settings(application)) as db:
        assert await _is_refused(db, "truncate task")


async def test_the_owner_is_no_application(divided: Divided) -> None:
    """The rights of a role that owns the tables cannot be reduced."""
    with pytest.raises(ConfigurationError, match="owns the tables"):
        await give_rights(divided.settings(divided.owner), Roles(application=divided.owner))


@pytest.mark.parametrize("roles", [Roles("app", "app"), Roles("", "app"), Roles("app", "")])
async def test_two_roles_need_two_names(migrated_url: str, roles: Roles) -> None:
    """The server would say that a role exists already, or that an identifier has no length."""
    with pytest.raises(ConfigurationError, match="name two roles"):
        await give_rights(DatabaseSettings(url=migrated_url), roles)


async def test_a_database_without_tables_is_refused(make_database: MakeDatabase) -> None:
    """The rights are on tables, so the migration comes first."""
    with pytest.raises(ConfigurationError, match="python -m app migrate first"):
        await give_rights(DatabaseSettings(url=await make_database()), Roles())


def test_the_command_says_what_it_did(divided: Divided) -> None:
    """An operator can read the statements, or run them by hand."""
    settings = divided.settings(divided.owner)
    options = ("--application", divided.roles.application, "--reader", divided.roles.reader)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "app", "roles", *options],
        env={**os.environ, "DATABASE_URL": settings.url.get_secret_value(), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"grant select, insert, update, delete on task to {divided.roles.application};" in ran.stdout


async def test_the_file_for_the_first_start_makes_the_roles(make_database: MakeDatabase) -> None:
    """It runs as in psql, with this test's names: its lines with a backslash read the passwords from outside."""
    url, suffix = await make_database(), uuid4().hex[:8]
    sql = re.sub(r"^\\.*$|--.*$", "", (ROOT / "deploy" / "roles.sql").read_text(), flags=re.MULTILINE)
    sql = re.sub(r":'(\w+)'", r"'\1'", sql).replace("database app ", f"database {make_url(url).database} ")
    for role in ("app_owner", "app_reader", "app"):
        sql = re.sub(rf"(role|to) {role}\b", rf"\1 {role}_{suffix}", sql)
    async with Database(DatabaseSettings(url=url)) as db:
        for statement in filter(None, map(str.strip, sql.split(";"))):
            await db.execute(text(statement))
        attributes = "rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls"
        made = await db.execute(text(f"select {attributes} from pg_roles where rolname like '%\\_{suffix}'"))
        assert set(made.all()) == {
            (f"app_owner_{suffix}", True, False, False, False, True),  # it dumps, prunes and fills in all users' rows
            (f"app_{suffix}", True, False, False, False, False),
            (f"app_reader_{suffix}", True, False, False, False, False),
        }
        await db.execute(text(f"alter database {make_url(url).database} owner to current_user"))
        for role in ("app_owner", "app_reader", "app"):
            await db.execute(text(f"drop role {role}_{suffix}"))
