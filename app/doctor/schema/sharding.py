"""Check a database that is sharded by user: the node, the tables, the functions, the setting and the ids."""

from collections.abc import Iterable
from typing import Final

from app.db.migrations import sequences_behind
from app.db.migrations.sharding import Sharding, sharding_of
from app.db.models.base import owned_tables
from app.doctor.findings import Finding, error, note, ok, warning
from app.doctor.subject import Checks, Subject
from app.repositories import routines

_DISTRIBUTE: Final = "Run as the owner, with DATABASE_SHARDED=true: python -m app distribute"
_FUNCTIONS: Final = """
select cast(proname as text) as name from pg_proc
where pronamespace = to_regnamespace(current_schema()) and cast(proname as text) = any(:names)"""


async def _sharding(subject: Subject) -> list[Finding]:
    state = await (await subject.session.connection()).run_sync(sharding_of)
    if not (state.installed or subject.settings.sharded):
        return []
    if not state.is_entry:
        return [_worker(state)]
    findings = _tables(state, sharded=subject.settings.sharded)
    if subject.settings.sharded:
        findings += await _functions(subject)
    if state.sharded and await subject.is_readable():
        findings += await _ids(subject, state)
    return findings


def _worker(state: Sharding) -> Finding:
    found = "this is a worker of Citus: ids that are drawn here are out of order with those of the entry node"
    advice = f"Connect every process to the entry node{f', {state.entry}' if state.entry else ''}: set DATABASE_URL."
    return error("sharding.node", found, advice)


def _tables(state: Sharding, *, sharded: bool) -> list[Finding]:
    check, missing = "sharding.tables", [table.name for table in owned_tables() if table.name not in state.sharded]
    if not state.sharded:
        return [note(check, "no table is sharded; the setting or the extension is there already", _DISTRIBUTE)]
    findings = [ok("sharding.node", "the entry node: the only one that processes may connect to")]
    if missing:
        findings.append(error(check, f"{_listed(missing)} not sharded, unlike the others", _DISTRIBUTE))
    elif state.left_over:
        found = f"the entry node still keeps the rows of {_listed(state.left_over)} from before"
        findings.append(warning(check, found, _DISTRIBUTE))
    else:
        findings.append(ok(check, f"all {len(state.sharded)} are sharded by user"))
    if not sharded:
        found = "the tables are sharded, but DATABASE_SHARDED is not set: calls ask every shard, and some fail"
        findings.append(error("sharding.setting", found, "Set DATABASE_SHARDED=true for every process."))
    return findings


async def _functions(subject: Subject) -> list[Finding]:
    check, names = "sharding.functions", {routine.name for routine in routines()}
    there = {row["name"] for row in await subject.rows(_FUNCTIONS, names=sorted(names))}
    if there == names:
        return [ok(check, f"all {len(names)} that this code calls are there")]
    return [error(check, f"{_listed(names - there)} missing: appends and keyed creations fail", _DISTRIBUTE)]


async def _ids(subject: Subject, state: Sharding) -> list[Finding]:
    check, entry = "sharding.ids", state.entry or "the entry node"
    behind = await (await subject.session.connection()).run_sync(sequences_behind)
    return [
        error(
            check,
            f"{each.table} has ids up to {each.highest_id}, but the next here is {each.next_id}: drawn on another node",
            f"Connect every process to {entry} alone; then: {each.remedy}",
        )
        for each in behind
    ] or [ok(check, "all ids were drawn on this node")]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


CHECKS: Checks = {"sharding.state": _sharding}
