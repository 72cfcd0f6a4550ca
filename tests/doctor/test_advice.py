"""The doctor's advice removes the finding, in every state of the schema (promise 14)."""

import pytest
from sqlalchemy import text

from app.db import DatabaseSettings
from app.db.access import application_rights
from app.db.models import TaskCreate
from app.doctor import Finding, Level, examine
from app.repositories import TaskRepo
from tests.doctor.advice import follow, found, run_commands, run_statements
from tests.doctor.conftest import Clinic, MakePatient
from tests.support.canary import SECRET
from tests.support.migrations import FIRST

TABLES = tuple(application_rights())
ALL_TABLES = f"drop table {', '.join(TABLES)}"
# What is done to the schema, and how often advice may lead to further advice before everything is OK.
STATES = {
    "never migrated": ((ALL_TABLES, "drop function set_updated_at()"), 2),
    "two revisions, one contained in the other": ((f"insert into alembic_version values ('{FIRST}')",), 1),
    "restored without the table of revisions": (("drop table alembic_version",), 2),
    "restored without a table": (("drop table message",), 3),
    "restored without an index, a constraint and a trigger": (
        (
            "drop index ix_task_user_id_id",
            "alter table message drop constraint ck_message_role_known",
            "drop trigger set_updated_at on task",
        ),
        1,
    ),
    "restored without rights": (("revoke all on all tables in schema public from app",), 1),
    "restored as another role": (
        tuple(f"alter table {table} owner to app_reader" for table in TABLES),
        2,
    ),
}


async def _wrong(clinic: Clinic, name: str) -> list[Finding]:
    return [*await found(clinic, name, "schema."), *await found(clinic, name, "access.")]


@pytest.mark.parametrize(("done", "rounds"), STATES.values(), ids=STATES)
async def test_a_schema_is_well_after_what_is_said_was_done(
    clinic: Clinic, make_patient: MakePatient, done: tuple[str, ...], rounds: int
) -> None:
    """Each advice is followed word for word, and the schema is examined again."""
    name = await make_patient(*done)
    wrong = await _wrong(clinic, name)
    assert wrong
    for _ in range(rounds):
        for finding in wrong[:1] if wrong[0].check == "schema.revision" else wrong:
            await follow(clinic, name, finding)
        wrong = await _wrong(clinic, name)
        if not wrong:
            break
    assert wrong == []


async def test_tables_outside_the_search_path_are_seen_after_what_is_said(
    clinic: Clinic, make_patient: MakePatient
) -> None:
    """Either they are this application's, and the role gets to see them, or it migrates beside them."""
    moved = ("alter schema public rename to hidden", "create schema public authorization app_owner")
    for ours in (True, False):
        name = await make_patient(*moved, "grant usage on schema public to public")
        (finding,) = await found(clinic, name, "schema.revision")
        statements, _, commands = finding.advice.partition("as a superuser: ")[2].partition(" otherwise ")
        if ours:
            async with clinic.as_superuser(name) as db:
                await run_statements(db, statements)
        else:
            await run_commands(commands, clinic.environment(name))
        assert await found(clinic, name, "schema.revision") == []


async def test_a_role_that_is_too_mighty_is_replaced_as_it_says(clinic: Clinic, make_patient: MakePatient) -> None:
    """The command creates the role, a password is set, and DATABASE_URL names the role."""
    name = await make_patient()
    for user in ("app_owner", "postgres"):
        settings = DatabaseSettings(url=clinic.url(name, user=user))
        if user == "postgres":
            async with clinic.as_superuser(name) as db:
                await db.execute(text(f"alter role postgres password '{SECRET}'"))
        (finding,) = [each for each in (await examine(settings)).findings if each.check == "access.role"]
        assert finding.level is Level.WARNING
        await run_commands(finding.advice, {"DATABASE_URL": settings.url.get_secret_value()})
    after = await examine(clinic.settings(name))
    assert [each.level for each in after.findings if each.check in ("access.role", "access.privileges")] == [
        Level.OK,
        Level.OK,
    ]


async def test_a_role_that_may_make_no_schema_may_afterwards(clinic: Clinic, make_patient: MakePatient) -> None:
    """The statement that is advised for --write grants the missing privilege."""
    name = await make_patient()
    settings = DatabaseSettings(url=clinic.url(name))
    (finding,) = [each for each in (await examine(settings, write=True)).findings if each.check == "scratch.schema"]
    async with clinic.as_superuser(name) as db:
        await run_statements(db, finding.advice.partition(";")[0])
    after = await examine(settings, write=True)
    assert [each for each in after.findings if each.check == "scratch.schema"] == []


async def test_pools_fit_after_they_were_made_as_small_as_it_says(clinic: Clinic) -> None:
    """The advised size fits all instances together."""
    report = await examine(DatabaseSettings(url=clinic.url()), instances=8)
    (finding,) = [each for each in report.findings if each.check == "capacity.pools"]
    size = int(finding.advice.split("DATABASE_POOL_SIZE to ")[1].split(",")[0])
    after = await examine(DatabaseSettings(url=clinic.url(), pool_size=size), instances=8)
    assert [each.level for each in after.findings if each.check == "capacity.pools"] == [Level.OK]


async def test_a_sequence_that_was_not_restored_is_stepped(clinic: Clinic, make_patient: MakePatient) -> None:
    """The owner sees the finding; the application has no privileges on sequences, and needs none."""
    name = await make_patient(
        "insert into task (user_id, title) select 'ada', 'x' from generate_series(1, 9)",
        "select setval('task_id_seq', 2)",
    )
    settings = DatabaseSettings(url=clinic.url(name, user="app_owner"))
    (finding,) = [each for each in (await examine(settings)).findings if each.check == "schema.sequences"]
    assert (finding.level, finding.found) == (
        Level.ERROR,
        "the next id of task is 3, but 9 exists already: inserts fail",
    )
    async with clinic.as_superuser(name) as db:
        await run_statements(db, finding.advice)
    after = [each for each in (await examine(settings)).findings if each.check == "schema.sequences"]
    assert [each.level for each in after] == [Level.OK]
    async with clinic.as_superuser(name) as db:
        assert (await TaskRepo(db).create("ada", TaskCreate(title="next"))).id == 10
