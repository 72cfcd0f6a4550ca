"""Whether the schema is the one that this code was written for."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import SAWarning

from app.db.errors import ConfigurationError, translating
from app.db.models import metadata
from app.doctor.findings import Finding, error, note, ok, warning
from app.doctor.subject import Checks, Subject

_INI: Final = Path(__file__).parents[2] / "alembic.ini"
_NOT_MIGRATED: Final = "42P01"
_MIGRATE: Final = "python -m app migrate"


def first_revision() -> str:
    """Return the revision that every history begins with."""
    (base,) = ScriptDirectory.from_config(Config(_INI)).get_bases()
    return base


async def _revision(subject: Subject) -> list[Finding]:
    check, script = "schema.revision", ScriptDirectory.from_config(Config(_INI))
    at, head = await _revisions(subject), script.get_current_head()
    if not at:
        return [error(check, "no revision: the database was never migrated", f"Run: {_MIGRATE}")]
    history = [revision.revision for revision in script.walk_revisions()]
    unknown = [revision for revision in at if revision not in history]
    if unknown:
        found = f"at {', '.join(unknown)}, which this code does not know: newer code has migrated it"
        return [
            warning(check, found, "Deploy that code, or leave it so while you roll back. Do not migrate from here.")
        ]
    if at == [head]:
        return [ok(check, f"at head, {head}")]
    behind = min(history.index(revision) for revision in at)
    return [error(check, f"at {', '.join(at)}, {behind} behind head {head}", f"Run: {_MIGRATE}")]


async def _revisions(subject: Subject) -> list[str]:
    try:
        return [row["version_num"] for row in await subject.rows("select version_num from alembic_version")]
    except ConfigurationError as problem:
        if problem.sqlstate != _NOT_MIGRATED:
            raise
        return []


async def _drift(subject: Subject) -> list[Finding]:
    check = "schema.drift"
    if any(finding.check == "schema.revision" and finding.advice for finding in subject.findings):
        return [note(check, "not compared: the database is at another revision than the models")]
    with translating():
        async with subject.db.engine.connect() as connection:
            await connection.execution_options(postgresql_readonly=True)
            differences = await connection.run_sync(_compare)
    findings = [finding for difference in differences for finding in _in_words(check, difference)]
    return findings or [ok(check, "none: the tables are as the models say")]


def _compare(connection: Connection) -> Sequence[Any]:
    options = {"compare_type": True, "compare_server_default": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # reflection stumbles over NOT VALID, which `structure` tells
        found: Sequence[Any] = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    return found


def _in_words(check: str, difference: Any) -> list[Finding]:
    """Return what one of Alembic's tuples says; a list of them is about one column."""
    if isinstance(difference, list):
        return [finding for each in difference for finding in _in_words(check, each)]
    action, *what = difference
    if action == "add_index":
        return []  # the check of indexes says how to make it
    if action == "remove_table":
        return [note(check, f"the table {what[0].name} is none of the models'")]
    if action.startswith("remove_"):
        advice = "Write a revision that drops it, or have the models name it."
        return [warning(check, f"the database has a {_named(action, what)} that the models do not", advice)]
    advice = f"Find out who changed the schema; then: alembic revision --autogenerate, and {_MIGRATE}"
    if action.startswith("modify_"):
        *_, table, column, _, there, here = what
        found = (
            f"{table}.{column}: its {action.removeprefix('modify_')} is {_shown(there)}, in the models {_shown(here)}"
        )
        return [error(check, found, advice)]
    return [error(check, f"the database lacks the {_named(action, what)}", advice)]


def _named(action: str, what: Sequence[Any]) -> str:
    kind, subject = action.partition("_")[2], what[-1]
    table = getattr(subject, "table", None)
    of = f" of {table.name}" if table is not None and kind != "table" else ""
    return f"{kind} {subject.name}{of}"


def _shown(value: Any) -> str:
    return str(getattr(getattr(value, "arg", value), "text", getattr(value, "arg", value)))


CHECKS: Checks = {
    "schema.revision": _revision,
    "schema.drift": _drift,
}
