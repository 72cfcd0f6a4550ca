"""Row-level security that is partly on, or on for an application that is not set up for it."""

from app.db import DatabaseSettings
from app.db.access import switch_off, switch_on
from app.db.models.base import owned_tables
from app.doctor import Finding, Level, examine
from tests.doctor.advice import run_statements
from tests.doctor.conftest import Clinic, MakePatient

CHECK = "access.row_security"


def _settings(clinic: Clinic, name: str, *, ready: bool = True) -> DatabaseSettings:
    return clinic.settings(name).model_copy(update={"row_level_security": ready})


async def _found(settings: DatabaseSettings) -> list[Finding]:
    report = await examine(settings)
    assert [each for each in report.findings if "could not be checked" in each.found] == []
    return [each for each in report.findings if each.check == CHECK]


async def test_an_application_that_is_not_ready_is_found(clinic: Clinic, make_patient: MakePatient) -> None:
    """The application would see no rows; either advice removes the finding."""
    name = await make_patient()
    await switch_on(_settings(clinic, name))
    (found,) = await _found(_settings(clinic, name, ready=False))
    assert found.level is Level.ERROR
    assert "DATABASE_ROW_LEVEL_SECURITY=true" in found.advice
    assert "python -m app rls off" in found.advice
    assert [each.level for each in await _found(_settings(clinic, name))] == [Level.OK]
    await switch_off(_settings(clinic, name))
    assert [each.level for each in await _found(_settings(clinic, name, ready=False))] == [Level.OK]


async def test_a_table_that_it_is_off_for_is_found(clinic: Clinic, make_patient: MakePatient) -> None:
    """A migration that adds a table leaves this state; switching row-level security on again includes it."""
    name = await make_patient()
    await switch_on(_settings(clinic, name))
    for table in owned_tables():
        for undo in ("no force row level security", "disable row level security"):
            async with clinic.as_superuser(name) as db:
                await run_statements(db, f"alter table {table} {undo};")
            (found,) = await _found(_settings(clinic, name))
            assert (found.level, found.found) == (Level.ERROR, f"on, but not for {table}")
            assert found.advice == "Run: python -m app rls on"
            await switch_on(_settings(clinic, name))
    assert [each.level for each in await _found(_settings(clinic, name))] == [Level.OK]


async def test_another_policy_that_lets_rows_through_is_found(clinic: Clinic, make_patient: MakePatient) -> None:
    """Policies are combined with OR: rows that one policy allows are visible."""
    name = await make_patient("create policy everything on task using (true)")
    await switch_on(_settings(clinic, name))
    (found,) = await _found(_settings(clinic, name))
    assert found.level is Level.WARNING
    async with clinic.as_superuser(name) as db:
        await run_statements(db, found.advice)
    assert [each.level for each in await _found(_settings(clinic, name))] == [Level.OK]


async def test_one_that_could_be_on_is_told(clinic: Clinic) -> None:
    """Everything except switching it on is ready."""
    (found,) = await _found(_settings(clinic, "healthy"))
    assert (found.level, found.advice) == (Level.NOTE, "Run: python -m app rls on")
