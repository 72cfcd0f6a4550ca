"""Writes are tried in a schema that only this run uses, and that is dropped afterwards, however the run ends."""

import asyncio
import json
import signal
from asyncio.subprocess import DEVNULL, PIPE

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError
from app.doctor import Level, Report, examine
from app.doctor.criteria.scratch import scratch
from tests.doctor.command import command, environment, run_doctor
from tests.doctor.conftest import Clinic, MakePatient
from tests.support.canary import SECRET
from tests.support.pgbouncer import PgBouncer
from tests.support.waiting import LIMIT_SECONDS, until_true

SCRATCH = "select from pg_namespace where starts_with(nspname, 'doctor_')"
PRECIOUS = "insert into task (user_id, title) values ('ada', 'precious')"


async def _start(clinic: Clinic, database: str = "healthy") -> "asyncio.subprocess.Process":
    return await asyncio.create_subprocess_exec(
        *command("--write"), env=environment(**clinic.environment(database)), stdout=DEVNULL, stderr=PIPE
    )


async def _is_there(db: Database) -> bool:
    return bool((await db.execute(text(f"select exists ({SCRATCH})"))).scalar_one())


@pytest.mark.parametrize(
    "asked",
    [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT] * 3],
    ids=["Ctrl-C", "SIGTERM", "Ctrl-C again and again"],
)
async def test_an_interrupted_doctor_leaves_nothing(clinic: Clinic, asked: list[signal.Signals]) -> None:
    """The schema is dropped, even though the work in it was not finished."""
    process = await _start(clinic)
    async with clinic.as_superuser("healthy") as db:
        await until_true(db, "select exists (select from pg_tables where starts_with(schemaname, 'doctor_'))")
        for each in asked:
            process.send_signal(each)
            await asyncio.sleep(0.02)
        _, said = await asyncio.wait_for(process.communicate(), LIMIT_SECONDS)
        assert not await _is_there(db)
    assert said.decode() == "interrupted; the scratch schema was dropped, or will be by the next --write\n"
    assert process.returncode == 130


async def test_what_a_killed_doctor_left_the_next_one_removes(clinic: Clinic, make_patient: MakePatient) -> None:
    """A run that only reads reports the schema; a run that writes drops it first."""
    name = await make_patient()
    process = await _start(clinic, name)
    async with clinic.as_superuser(name) as db:
        await until_true(db, f"select exists ({SCRATCH})")
        process.kill()
        await process.communicate()
        await until_true(
            db, "select not exists (select from pg_stat_activity where starts_with(application_name, 'doctor_'))"
        )
        assert await _is_there(db)
        looked = await asyncio.to_thread(run_doctor, "--json", **clinic.environment(name))
        (left,) = [each for each in json.loads(looked.stdout)["findings"] if each["check"] == "scratch.left"]
        assert (looked.returncode, left["level"]) == (1, "warning")
        wrote = await asyncio.to_thread(run_doctor, "--write", **clinic.environment(name))
        assert wrote.returncode == 0, wrote.stdout
        assert not await _is_there(db)


async def test_two_doctors_do_not_disturb_each_other(clinic: Clinic, make_patient: MakePatient) -> None:
    """Neither treats the other's schema as left behind."""
    settings = clinic.settings(await make_patient())
    reports = await asyncio.gather(*(examine(settings, write=True) for _ in range(2)))
    assert [_bad(report) for report in reports] == [[], []]


async def test_a_pooler_that_drops_the_search_path_destroys_nothing(clinic: Clinic, make_patient: MakePatient) -> None:
    """Otherwise the migrations up and down in the schema would change the real tables."""
    name = await make_patient(PRECIOUS)
    host, port = str(clinic.server.socket_folder), clinic.server.port
    with PgBouncer(host, port, users={"app": SECRET}, settings={"ignore_startup_parameters": "options"}) as pooler:
        report = await examine(DatabaseSettings(url=pooler.url(name)), write=True)
    (refused,) = [each for each in report.findings if each.check == "scratch.schema"]
    assert refused.level is Level.ERROR
    assert "is a pooler, not the server itself" in refused.found
    await _assert_precious(clinic, name)


async def test_a_session_that_sees_more_than_the_schema_is_refused(clinic: Clinic, make_patient: MakePatient) -> None:
    """A pooler in session mode keeps the session but drops its startup parameters."""
    name = await make_patient(PRECIOUS, "grant create on database {name} to app")
    host, port = str(clinic.server.socket_folder), clinic.server.port
    drops = {"ignore_startup_parameters": "options", "pool_mode": "session"}
    with PgBouncer(host, port, pool_size=10, users={"app": SECRET}, settings=drops) as pooler:
        settings = DatabaseSettings(url=pooler.url(name))
        async with scratch(settings) as place:
            for engine in (place.engine, place.db.engine):
                with pytest.raises(ConfigurationError, match=r"sees .*public.*: nothing was changed"):
                    await engine.connect()
        report = await examine(settings, write=True)
        async with clinic.as_superuser(name) as db:
            assert not await _is_there(db)
    assert ("criteria.SC-005", Level.ERROR) in _bad(report)
    await _assert_precious(clinic, name)


async def _assert_precious(clinic: Clinic, name: str) -> None:
    async with clinic.as_superuser(name) as db:
        rows = (await db.execute(text("select user_id, title from task"))).all()
        assert [tuple(row) for row in rows] == [("ada", "precious")]


async def test_who_may_make_no_schema_is_told(clinic: Clinic, make_patient: MakePatient) -> None:
    """The finding names the missing privilege; the criteria that need a schema are not tried."""
    name = await make_patient()
    report = await examine(DatabaseSettings(url=clinic.url(name)), write=True)
    found = {each.check: each for each in report.findings}
    assert _bad(report) == [("scratch.schema", Level.ERROR)]
    assert "permission denied" in found["scratch.schema"].found
    assert f"grant create on database {name} to app;" in found["scratch.schema"].advice
    assert "not tested (see scratch.schema)" in found["criteria.SC-002"].found


async def test_a_schema_that_is_not_quite_as_migrated_is_found(clinic: Clinic, make_patient: MakePatient) -> None:
    """Only a comparison with fresh tables shows an index with the right name and columns, but made otherwise."""
    name = await make_patient("alter index ix_task_user_id_id set (fillfactor = 50)")
    settings = clinic.settings(name)
    assert _bad(await examine(settings)) == []
    report = await examine(settings, write=True)
    assert _bad(report) == [("criteria.SC-001", Level.ERROR)]
    found = next(each.found for each in report.findings if each.check == "criteria.SC-001")
    assert found.endswith("differs from what the migrations create: index task.ix_task_user_id_id")


def _bad(report: Report) -> list[tuple[str, Level]]:
    return [(each.check, each.level) for each in report.findings if each.level > Level.NOTE]
