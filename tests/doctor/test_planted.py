"""What is wrong is found, said, and comes with what to do."""

from dataclasses import dataclass

import pytest
from sqlalchemy import text

from app.db import DatabaseSettings
from app.db.errors import DataAccessError
from app.db.migrations import downgrade
from app.doctor import Level, Report, examine
from tests.doctor.conftest import Clinic, MakePatient
from tests.support.migrations import FIRST, HEAD


@dataclass(frozen=True)
class Planted:
    """Something wrong, and the finding that must name it."""

    statements: tuple[str, ...]
    check: str
    level: Level
    says: str
    advises: str


PLANTED = {
    "missing index": Planted(
        ("drop index ix_task_user_id_id",),
        "schema.indexes",
        Level.ERROR,
        "ix_task_user_id_id on task is missing",
        "CREATE INDEX CONCURRENTLY ix_task_user_id_id ON task (user_id, id desc nulls last);",
    ),
    "a column of another type": Planted(
        ("alter table task alter column title type varchar(100)",),
        "schema.drift",
        Level.ERROR,
        "task.title: its type is VARCHAR(100), in the models VARCHAR(200)",
        "by hand",
    ),
    "a column missing": Planted(
        ("alter table task drop column description",),
        "schema.drift",
        Level.ERROR,
        "the database lacks the column description of task",
        "by hand",
    ),
    "an index of other columns": Planted(
        ("drop index ix_message_user_id_id", "create index ix_message_user_id_id on message (role)"),
        "schema.drift",
        Level.ERROR,
        "the index ix_message_user_id_id of message is another than in the models",
        "by hand",
    ),
    "tables that are somebody else's": Planted(
        ("create table theirs ()", "create table theirs_too ()"),
        "schema.drift",
        Level.NOTE,
        "tables that are none of the models': theirs, theirs_too",
        "",
    ),
    "a column that nobody knows": Planted(
        ("alter table task add column note text",),
        "schema.drift",
        Level.WARNING,
        "the database has a column note of task that the models do not",
        "by hand",
    ),
    "a constraint missing": Planted(
        ("alter table task drop constraint ck_task_title_not_blank",),
        "schema.constraints",
        Level.ERROR,
        "ck_task_title_not_blank on task is missing",
        r"CHECK (title ~ '\S') NOT VALID; alter table task validate constraint ck_task_title_not_blank;",
    ),
    "a foreign key missing": Planted(
        ("alter table message drop constraint fk_message_user_id_conversation_id_conversation",),
        "schema.constraints",
        Level.ERROR,
        "fk_message_user_id_conversation_id_conversation on message is missing",
        "REFERENCES conversation (user_id, id) ON DELETE CASCADE NOT VALID;",
    ),
    "a unique constraint missing": Planted(
        ("alter table conversation drop constraint uq_conversation_user_id_id cascade",),
        "schema.indexes",
        Level.ERROR,
        "uq_conversation_user_id_id on conversation is missing",
        "UNIQUE (user_id, id);",
    ),
    "a constraint never validated": Planted(
        (
            "alter table task drop constraint ck_task_title_not_blank",
            r"alter table task add constraint ck_task_title_not_blank check (title ~ '\S') not valid",
        ),
        "schema.constraints",
        Level.ERROR,
        "was never validated",
        "validate constraint ck_task_title_not_blank;",
    ),
    "foreign keys not enforced": Planted(
        ("alter table message disable trigger all",),
        "schema.triggers",
        Level.ERROR,
        "foreign keys are not enforced",
        "enable trigger all;",
    ),
    "no trigger for updated_at": Planted(
        ("drop trigger set_updated_at on task",),
        "schema.triggers",
        Level.ERROR,
        "updated_at stands still",
        "create trigger set_updated_at before update on task",
    ),
    "a role that may not write": Planted(
        ("revoke insert, update on task from app", "revoke select on alembic_version from app"),
        "access.privileges",
        Level.ERROR,
        "the role may not select on alembic_version; the role may not insert, update on task",
        "grant select on alembic_version to app; grant insert, update on task to app;",
    ),
    "tables in a schema that the role does not see": Planted(
        ("alter schema public rename to hidden", "create schema public"),
        "schema.revision",
        Level.ERROR,
        "there are tables in the schema hidden, which this role does not see",
        "grant usage on schema hidden to app;",
    ),
    "ahead of head": Planted(
        ("update alembic_version set version_num = 'f00f00f00f00'",),
        "schema.revision",
        Level.WARNING,
        "at f00f00f00f00, which this code does not know",
        "Deploy that code",
    ),
    "never migrated": Planted(
        ("drop table task, conversation, message, alembic_version",),
        "schema.revision",
        Level.ERROR,
        "never migrated",
        "python -m app migrate",
    ),
    "skewed clock": Planted(
        # What a server with a wrong clock answers: the name is looked up in `skewed` first.
        (
            "create schema skewed",
            """create function skewed.clock_timestamp() returns timestamptz language sql
            as $$ select pg_catalog.clock_timestamp() - interval '1 hour' $$""",
            "grant usage on schema skewed to app",
            "alter database {name} set search_path = skewed, pg_catalog, public",
        ),
        "server.clock",
        Level.WARNING,
        "s behind this machine",
        "NTP",
    ),
    "synchronous_commit=off": Planted(
        ("alter database {name} set synchronous_commit = off",),
        "configuration.synchronous_commit",
        Level.WARNING,
        "lost when the server crashes",
        "synchronous_commit = on",
    ),
    "autovacuum off for a table": Planted(
        ("alter table message set (autovacuum_enabled = false)",),
        "configuration.autovacuum",
        Level.WARNING,
        "off for message",
        "reset (autovacuum_enabled)",
    ),
    "too few connections for the database": Planted(
        ("alter database {name} connection limit 15",),
        "capacity.pools",
        Level.ERROR,
        "1 x pool of 20 = 20 of 15 usable connections",
        "DATABASE_POOL_SIZE to 15",
    ),
    "a large table read as a whole": Planted(
        (
            "insert into conversation (user_id) select 'user-' || n % 100 from generate_series(1, 20000) n",
            "alter table message drop constraint fk_message_user_id_conversation_id_conversation",
            "alter table conversation drop constraint uq_conversation_user_id_id",
            "drop index ix_conversation_user_id_updated_at_id",
            "analyze conversation",
        ),
        "plans.conversations.page",
        Level.WARNING,
        "reads all of conversation, more than 10,000 rows (Seq Scan)",
        "analyze conversation",
    ),
    "left by a doctor that was killed": Planted(
        ("create schema doctor_20260101000000_0123abcd",),
        "scratch.left",
        Level.WARNING,
        "doctor_20260101000000_0123abcd",
        "drop schema doctor_20260101000000_0123abcd cascade;",
    ),
}
# What to do is SQL that can be run as it stands.
CURABLE = (
    "missing index",
    "a constraint missing",
    "a constraint never validated",
    "a foreign key missing",
    "a unique constraint missing",
    "foreign keys not enforced",
    "no trigger for updated_at",
    "a role that may not write",
    "autovacuum off for a table",
)


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
async def test_what_is_planted_is_found(clinic: Clinic, make_patient: MakePatient, planted: Planted) -> None:
    """By its name, at its level, with what to do; and the exit status says it."""
    name = await make_patient(*planted.statements)
    report = await examine(DatabaseSettings(url=clinic.url(name)))
    _assert_found(report, planted.check, planted.level, planted.says, planted.advises)


@pytest.mark.parametrize("name", CURABLE)
async def test_what_it_says_to_do_mends_it(clinic: Clinic, make_patient: MakePatient, name: str) -> None:
    """The statements that are printed, run as they are."""
    planted = PLANTED[name]
    database = await make_patient(*planted.statements)
    settings = DatabaseSettings(url=clinic.url(database))
    advice = " ".join(each.advice for each in (await examine(settings)).findings if each.check == planted.check)
    async with clinic.as_superuser(database) as db, db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in filter(None, map(str.strip, advice.split(";"))):
            await connection.exec_driver_sql(statement)
    after = [each.level for each in (await examine(settings)).findings if each.check == planted.check]
    assert set(after) == {Level.OK}


def _assert_found(report: Report, check: str, level: Level, says: str, advises: str) -> None:
    found = [each for each in report.findings if each.check == check and says in each.found]
    others = [each for each in report.findings if each.advice]
    assert [each.level for each in found] == [level], others
    assert advises in found[0].advice
    assert report.exit_status >= {Level.WARNING: 1, Level.ERROR: 2}.get(level, 0)
    assert [each for each in report.findings if "could not be looked at" in each.found] == []


async def test_a_database_behind_head_is_found(clinic: Clinic, make_patient: MakePatient) -> None:
    """How many revisions it lacks; the drift that follows from that is not told twice."""
    url = clinic.url(await make_patient())
    await downgrade(DatabaseSettings(url=url), FIRST)
    report = await examine(DatabaseSettings(url=url))
    _assert_found(report, "schema.revision", Level.ERROR, f"at {FIRST}, 2 behind head {HEAD}", "python -m app migrate")
    assert [each.level for each in report.findings if each.check == "schema.drift"] == [Level.NOTE]


async def test_an_invalid_index_is_found(clinic: Clinic, make_patient: MakePatient) -> None:
    """As a concurrent index leaves it that failed on its way."""
    name = await make_patient("insert into task (user_id, title) values ('twice', 'x'), ('twice', 'y')")
    async with clinic.as_superuser(name) as db:
        with pytest.raises(DataAccessError):
            await db.execute(text("create unique index concurrently ix_half_made on task (user_id)"))
    report = await examine(DatabaseSettings(url=clinic.url(name)))
    _assert_found(report, "schema.indexes", Level.ERROR, "ix_half_made on task is invalid", "drop index concurrently")


async def test_too_large_a_pool_is_found(clinic: Clinic) -> None:
    """All instances together want more than there are, and it says how many each may have."""
    report = await examine(DatabaseSettings(url=clinic.url()), instances=8)
    _assert_found(report, "capacity.pools", Level.ERROR, "8 x pool of 20 = 160 of 97", "DATABASE_POOL_SIZE to 12")


async def test_an_unverified_certificate_is_found(clinic: Clinic) -> None:
    """It is encrypted, but nobody knows with whom."""
    report = await examine(DatabaseSettings(url=clinic.url(query="sslmode=require")))
    _assert_found(report, "tls.certificate", Level.WARNING, "not verified (sslmode=require)", "sslmode=verify-full")
    assert report.exit_status == 1


@pytest.mark.parametrize(("host", "level", "status"), [("localhost", Level.NOTE, 0), ("127.1", Level.ERROR, 2)])
async def test_a_connection_in_the_open_is_found(clinic: Clinic, host: str, level: Level, status: int) -> None:
    """On a network it is an error, on the loopback one may; the criterion is not kept either way."""
    report = await examine(DatabaseSettings(url=clinic.url(query="sslmode=disable", host=host)))
    levels = {each.check: each.level for each in report.findings}
    assert (levels["tls.version"], levels["criteria.SC-004"]) == (level, level)
    assert report.exit_status == status


async def test_another_encoding_is_found(clinic: Clinic) -> None:
    """It cannot hold every message."""
    async with clinic.as_superuser() as db:
        await db.execute(
            text("create database latin encoding 'LATIN1' locale_provider libc locale 'C' template template0")
        )
        report = await examine(DatabaseSettings(url=clinic.url("latin")))
        await db.execute(text("drop database latin"))
    _assert_found(report, "server.encoding", Level.ERROR, "LATIN1, not UTF8", "UTF8")
