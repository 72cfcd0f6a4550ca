"""Whether the schema is the one that this code was written for."""

from typing import Final

from app.db.engine.translation import translating
from app.db.errors import ConfigurationError
from app.db.migrations import Difference, differences, heads_of, known_revisions, sequences_behind
from app.doctor.findings import Finding, Level, error, note, ok, warning
from app.doctor.subject import Checks, Subject

_REVISION: Final = "schema.revision"
_DRIFT: Final = "schema.drift"
_SEQUENCES: Final = "schema.sequences"
_FORBIDDEN: Final = "42501"
_MIGRATE: Final = "Run: python -m app migrate"
# Told by the checks of indexes, constraints and triggers, with the statement that fixes it.
_TOLD_ELSEWHERE: Final = ("index", "check", "foreign key", "unique constraint", "trigger")
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
    if not found:
        return [ok(_DRIFT, "none: the tables are as the models say")]
    told = [_difference(each) for each in found if not (each.kind in _TOLD_ELSEWHERE and each.is_missing)]
    return told or [note(_DRIFT, f"only what is told below: {', '.join(sorted({each.what for each in found}))}")]


def _difference(each: Difference) -> Finding:
    if each.is_extra:
        return warning(_DRIFT, each.what, f"Write a revision, if all databases are to have it; else: {each.remedy}")
    return error(_DRIFT, each.what, each.remedy)


async def _sequences(subject: Subject) -> list[Finding]:
    if not await subject.is_readable():
        return []
    behind = await (await subject.session.connection()).run_sync(sequences_behind)
    return [
        error(
            _SEQUENCES,
            f"the next id of {each.table} is {each.next_id}, and {each.highest_id} is taken: inserts fail",
            each.remedy,
        )
        for each in behind
    ] or [ok(_SEQUENCES, "no next id is taken; after a restore see docs/operations.md")]


CHECKS: Checks = {
    _REVISION: _revision,
    _DRIFT: _drift,
    _SEQUENCES: _sequences,
}
