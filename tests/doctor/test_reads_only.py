"""Without --write nothing is written: the server itself refuses it."""

import asyncio

from sqlalchemy import text

from app.db import DatabaseSettings
from app.doctor import Level, examine
from tests.doctor.conftest import Clinic, MakePatient
from tests.support.canary import SECRET
from tests.support.programs import postgres_program


async def _contents(clinic: Clinic, name: str) -> str:
    dump = await asyncio.to_thread(postgres_program, "pg_dump", clinic.server.url(name), "--restrict-key=same")
    async with clinic.as_superuser(name) as db:
        written = "select sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_del) from pg_stat_all_tables"
        outside = "where schemaname !~ '^pg_'"
        return f"{dump}\n{(await db.execute(text(f'{written} {outside}'))).one()}"


async def test_a_database_is_afterwards_as_it_was(clinic: Clinic, make_patient: MakePatient) -> None:
    """Definitions, rows and the server's own count of writes are unchanged."""
    name = await make_patient("insert into task (user_id, title) values ('ada', 'hers')")
    before = await _contents(clinic, name)
    await examine(DatabaseSettings(url=clinic.url(name)))
    assert await _contents(clinic, name) == before


async def test_a_server_that_takes_no_writes_is_examined_all_the_same(
    clinic: Clinic, make_patient: MakePatient
) -> None:
    """The doctor tries no write, so nothing else is wrong."""
    name = await make_patient("alter database {name} set default_transaction_read_only = on")
    report = await examine(DatabaseSettings(url=clinic.url(name)))
    assert [each.check for each in report.findings if each.level > Level.NOTE] == ["server.writable"]


async def test_a_role_that_may_only_read_is_enough(clinic: Clinic, make_patient: MakePatient) -> None:
    """Everything can be examined; the finding says that the application cannot work with the role."""
    name = await make_patient(
        f"create role {{name}}_reader login password '{SECRET}'",
        "grant pg_read_all_data to {name}_reader",
    )
    report = await examine(DatabaseSettings(url=clinic.url(name, user=f"{name}_reader")))
    assert [each.check for each in report.findings if each.level > Level.NOTE] == ["access.privileges", "access.role"]
    explained = {each.check: each for each in report.findings}
    assert explained["plans.tasks.page"].level is Level.OK
    assert "permission denied" in explained["plans.tasks.create"].found
    async with clinic.as_superuser(name) as db:
        await db.execute(text(f"drop owned by {name}_reader"))
        await db.execute(text(f"drop role {name}_reader"))


async def test_what_would_write_is_refused_by_the_server(clinic: Clinic, make_patient: MakePatient) -> None:
    """Not even another role's function that shadows one of PostgreSQL's can write as the doctor."""
    name = await make_patient(
        "create table trap (n int)",
        "create schema traps",
        """create function traps.to_regclass(text) returns regclass language plpgsql as $$
        begin insert into public.trap values (1); return pg_catalog.to_regclass($1); end $$""",
        "grant usage on schema traps to app",
        "grant all on trap to app",
        "alter database {name} set search_path = traps, pg_catalog, public",
    )
    report = await examine(DatabaseSettings(url=clinic.url(name)))
    refused = [each.check for each in report.findings if "cannot execute INSERT in a read-only" in each.found]
    assert "access.privileges" in refused
    async with clinic.as_superuser(name) as db:
        assert (await db.execute(text("select count(*) from public.trap"))).scalar_one() == 0
