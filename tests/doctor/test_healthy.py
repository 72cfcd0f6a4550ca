"""On a healthy database nothing is found, and nothing is left behind."""

import re

from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.doctor import Level, examine
from app.doctor.schema.plans import statements
from tests.doctor.conftest import Clinic, MakePatient
from tests.support.catalog import describe
from tests.support.statements import all_statements

CRITERIA = [*(f"criteria.SC-{number:03}" for number in range(1, 11)), "criteria.EC-2", "criteria.EC-3"]


async def test_a_healthy_database_is_well(clinic: Clinic) -> None:
    """TLS is verified, everything is OK, and checks that need --write say so."""
    report = await examine(DatabaseSettings(url=clinic.url()))
    assert [finding for finding in report.findings if finding.level > Level.NOTE] == []
    assert report.exit_status == 0
    found = {finding.check: finding.found for finding in report.findings}
    assert found["tls.version"].startswith("TLSv1.3, TLS_")
    assert found["tls.certificate"] == "verified, and valid for this host"
    assert found["server.version"].startswith("PostgreSQL 17.")
    assert found["latency.call"].startswith("a warm repository call: 1 round trip")
    not_tried = [check for check in CRITERIA if "not tested (needs --write)" in found[check]]
    read = {f"criteria.{name}" for name in ("SC-001", "SC-004", "SC-006", "EC-2")}
    assert not_tried == [check for check in CRITERIA if check not in read]


async def test_every_criterion_is_kept_and_nothing_is_left(clinic: Clinic, make_patient: MakePatient) -> None:
    """With `write` all criteria are tried; tables, rows and the list of schemas stay as before."""
    name = await make_patient("insert into task (user_id, title) values ('somebody', 'theirs')")
    async with clinic.as_superuser(name) as db:
        before = await _state(db)
        report = await examine(clinic.settings(name), write=True)
        assert await _state(db) == before
    kept = {finding.check: finding.level for finding in report.findings if finding.group == "criteria"}
    assert kept == dict.fromkeys(CRITERIA, Level.OK)
    assert report.exit_status == 0


async def _state(db: Database) -> tuple[dict[str, str], list[str], int]:
    schemas = (await db.execute(text("select nspname from pg_namespace order by 1"))).scalars().all()
    tasks = (await db.execute(text("select count(*) from task"))).scalar_one()
    return await describe(db), list(schemas), int(tasks)


async def test_every_statement_is_explained(clinic: Clinic) -> None:
    """Every statement of the repositories is listed with the index that it uses."""
    assert set(map(id, statements().values())) == set(map(id, all_statements().values()))
    report = await examine(DatabaseSettings(url=clinic.url()))
    explained = {each.check.removeprefix("plans."): each.found for each in report.findings if each.group == "plans"}
    assert explained.keys() == statements().keys()
    assert re.match("ix_task_", explained["tasks.page"])
