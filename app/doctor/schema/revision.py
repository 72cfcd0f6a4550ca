"""Check that the schema is the one that this code was written for."""

from collections.abc import Sequence
from typing import Final

from app.db.driver.sqlstates import MISSING_RIGHT
from app.db.engine.translation import translating
from app.db.errors import ConfigurationError
from app.db.migrations import Difference, differences, heads_of, sequences_behind
from app.db.remedies import WHERE_TABLES_ARE, our_names, remedy_where
from app.db.revisions import version_table_name
from app.doctor.findings import Finding, Level, error, note, ok, warning
from app.doctor.schema.lineage import Lineage
from app.doctor.subject import EXISTING, Checks, Subject, table_names

_REVISION: Final = "schema.revision"
_DRIFT: Final = "schema.drift"
_SEQUENCES: Final = "schema.sequences"
_NO_SUCH_COLUMN: Final = "42703"
_MIGRATE: Final = "Run: python -m app migrate"
_MERGE: Final = "Run: alembic merge heads; then: python -m app migrate"
_OWN_TABLE: Final = (
    "Give this application its own version table: write version_table = own_version into alembic.ini in place of the "
    "other name; then: python -m app migrate"
)
# Reported by the checks of indexes, constraints and triggers, with the statement that fixes them.
_TOLD_ELSEWHERE: Final = ("index", "check", "foreign key", "unique constraint", "trigger")


async def _revision(subject: Subject) -> list[Finding]:
    try:
        with translating():
            at = list(await (await subject.session.connection()).run_sync(heads_of))
    except ConfigurationError as problem:
        if problem.sqlstate == _NO_SUCH_COLUMN:
            return [error(_REVISION, f"the table {version_table_name()} is not an Alembic version table", _OWN_TABLE)]
        if problem.sqlstate != MISSING_RIGHT:
            raise
        return [note(_REVISION, f"unknown: the role may not read {version_table_name()}", "See access.privileges.")]
    if not at:
        return [await _not_migrated(subject)]
    lineage = Lineage.known()
    strange = sorted(set(at) - lineage.ancestors.keys())
    if strange and not await subject.rows(EXISTING, tables=table_names()):
        found = f"at {', '.join(strange)}, of another application: none of this one's tables exist"
        return [error(_REVISION, found, _OWN_TABLE)]
    return [_compared(at, lineage)]


def _compared(at: Sequence[str], lineage: Lineage) -> Finding:
    unknown = [revision for revision in at if revision not in lineage.ancestors]
    if unknown:
        found = f"at {', '.join(unknown)}, which this code does not know: newer code has migrated it"
        advice = "Deploy the newer code; in a rollback leave the database as it is. Do not migrate with this code."
        return warning(_REVISION, found, advice)
    needless = sorted(lineage.contained(at))
    if needless:
        rows = ", ".join(f"'{revision}'" for revision in needless)
        found = (
            f"at {', '.join(at)}: the others include {', '.join(needless)}, and no migration runs until it is removed"
        )
        delete = f"delete from {version_table_name()} where version_num in ({rows});"  # noqa: S608 - printed, not run
        return error(_REVISION, found, delete)
    missing, heads = lineage.missing(at), ", ".join(sorted(lineage.heads))
    if len(lineage.heads) > 1:
        found = f"at {', '.join(at)}: the revisions have several heads, {heads}; no migration runs before a merge"
        return (error if missing else warning)(_REVISION, found, _MERGE)
    if missing:
        return error(_REVISION, f"at {', '.join(at)}, {len(missing)} behind head {heads}", _MIGRATE)
    return ok(_REVISION, f"at head, {', '.join(at)}")


async def _not_migrated(subject: Subject) -> Finding:
    (place,) = await subject.rows(WHERE_TABLES_ARE.text, **our_names())
    if remedy := remedy_where(place, subject.settings):
        return error(_REVISION, "the tables are not visible to this role", remedy)
    if not await subject.rows(EXISTING, tables=table_names()):
        return error(_REVISION, "no revision: the database was never migrated", _MIGRATE)
    found = "the tables exist, but no revision is recorded: only part of a backup was restored"
    if await (await subject.session.connection()).run_sync(differences):
        return error(
            _REVISION, found, f"Restore the table {version_table_name()} from the same backup as the other tables."
        )
    return error(_REVISION, f"{found}; the tables match this code", "Run: alembic stamp head")


async def _drift(subject: Subject) -> list[Finding]:
    if any(each.check == _REVISION and each.level > Level.NOTE for each in subject.findings):
        return [note(_DRIFT, "not compared: the database and the models are at different revisions")]
    found = await (await subject.session.connection()).run_sync(differences)
    if not found:
        return [ok(_DRIFT, "none: the tables match the models")]
    told = [_difference(each) for each in found if not (each.kind in _TOLD_ELSEWHERE and each.is_missing)]
    return told or [note(_DRIFT, f"only what other checks report: {', '.join(sorted({each.what for each in found}))}")]


def _difference(each: Difference) -> Finding:
    if each.is_extra:
        return warning(
            _DRIFT, each.what, f"If every database should have it, write a revision; otherwise: {each.remedy}"
        )
    return error(_DRIFT, each.what, each.remedy)


async def _sequences(subject: Subject) -> list[Finding]:
    if not await subject.is_readable():
        return []
    behind = await (await subject.session.connection()).run_sync(sequences_behind)
    return [
        error(
            _SEQUENCES,
            f"the next id of {each.table} is {each.next_id}, but {each.highest_id} exists already: inserts fail",
            each.remedy,
        )
        for each in behind
    ] or [ok(_SEQUENCES, "each next id is free; after a restore see docs/operations.md")]


CHECKS: Checks = {
    _REVISION: _revision,
    _DRIFT: _drift,
    _SEQUENCES: _sequences,
}
