"""Whether the schema is the one that this code was written for."""

from collections.abc import Sequence
from typing import Any, Final

from app.db.engine.translation import translating
from app.db.errors import ConfigurationError
from app.db.migrations import differences, heads_of, known_revisions
from app.doctor.findings import Finding, Level, error, note, ok, warning
from app.doctor.subject import Checks, Subject

_REVISION: Final = "schema.revision"
_DRIFT: Final = "schema.drift"
_FORBIDDEN: Final = "42501"
_MIGRATE: Final = "Run: python -m app migrate"
_BY_HAND: Final = (
    "Somebody changed the schema by hand: change it back as the revisions have it, "
    "or write a revision, if all databases are to have it so."
)
# Told by the checks of indexes and constraints, with the statement that mends it.
_TOLD_ELSEWHERE: Final = ("add_index", "add_constraint", "add_fk")
_KINDS: Final = {"fk": "foreign key"}
_ELSEWHERE: Final = """
select quote_ident(nspname) as schema, quote_ident(current_user) as role
from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where relname = 'alembic_version' and relkind = 'r' and not pg_table_is_visible(pg_class.oid)
  and not starts_with(nspname, 'doctor_') limit 1"""


async def _revision(subject: Subject) -> list[Finding]:
    try:
        with translating():
            at = list(await (await subject.session.connection()).run_sync(heads_of))
    except ConfigurationError as problem:
        if problem.sqlstate != _FORBIDDEN:
            raise
        return [note(_REVISION, "not known: the role may not read alembic_version", "See access.privileges.")]
    if not at:
        return [await _not_migrated(subject)]
    history = known_revisions()
    unknown = [revision for revision in at if revision not in history]
    if unknown:
        found = f"at {', '.join(unknown)}, which this code does not know: newer code has migrated it"
        advice = "Deploy that code, or leave it so while you roll back. Do not migrate from here."
        return [warning(_REVISION, found, advice)]
    if at == history[:1]:
        return [ok(_REVISION, f"at head, {history[0]}")]
    behind = min(history.index(revision) for revision in at)
    return [error(_REVISION, f"at {', '.join(at)}, {behind} behind head {history[0]}", _MIGRATE)]


async def _not_migrated(subject: Subject) -> Finding:
    for row in await subject.rows(_ELSEWHERE):
        found = f"there are tables in the schema {row['schema']}, which this role does not see"
        advice = f"grant usage on schema {row['schema']} to {row['role']}; and see that its search_path has it."
        return error(_REVISION, found, advice)
    return error(_REVISION, "no revision: the database was never migrated", _MIGRATE)


async def _drift(subject: Subject) -> list[Finding]:
    if any(each.check == _REVISION and each.level > Level.NOTE for each in subject.findings):
        return [note(_DRIFT, "not compared: the database is at another revision than the models")]
    found = await (await subject.session.connection()).run_sync(differences)
    flat = [each for group in found for each in (group if isinstance(group, list) else [group])]
    return _in_words(flat) or [ok(_DRIFT, "none: the tables are as the models say")]


def _in_words(found: Sequence[Any]) -> list[Finding]:
    """Return what Alembic's tuples say. What was changed in place it removes and adds under the same name."""
    added = {_named(each) for each in found if each[0].startswith("add_")}
    strangers = sorted(what[0].name for action, *what in found if action == "remove_table")
    findings = [_difference(each, added) for each in found if each[0] not in ("remove_table", *_TOLD_ELSEWHERE)]
    if strangers:
        findings.append(note(_DRIFT, f"tables that are none of the models': {', '.join(strangers)}"))
    return findings


def _difference(difference: Any, added: set[str]) -> Finding:
    action, *what = difference
    if action.startswith("modify_"):
        *_, table, column, _, there, here = what
        detail = f"its {action.removeprefix('modify_')} is {_shown(there)}, in the models {_shown(here)}"
        return error(_DRIFT, f"{table}.{column}: {detail}", _BY_HAND)
    named = _named(difference)
    if action.startswith("add_"):
        return error(_DRIFT, f"the database lacks the {named}", _BY_HAND)
    if named in added:
        return error(_DRIFT, f"the {named} is another than in the models", _BY_HAND)
    return warning(_DRIFT, f"the database has a {named} that the models do not", _BY_HAND)


def _named(difference: Any) -> str:
    kind, subject = difference[0].partition("_")[2], difference[-1]
    table = getattr(subject, "table", None)
    of = f" of {table.name}" if table is not None and kind != "table" else ""
    return f"{_KINDS.get(kind, kind)} {subject.name}{of}"


def _shown(value: Any) -> str:
    return str(getattr(getattr(value, "arg", value), "text", getattr(value, "arg", value)))


CHECKS: Checks = {
    _REVISION: _revision,
    _DRIFT: _drift,
}
