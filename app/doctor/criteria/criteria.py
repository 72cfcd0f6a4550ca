"""Check each of the specification's success criteria, and the two edge cases that are visible from outside."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from app.db.driver.sqlstates import MISSING_RIGHT
from app.db.errors import DataAccessError
from app.db.migrations.sharding import sharding_of
from app.db.models.base import owned_tables
from app.doctor.criteria.catalog import DESCRIBE, described, in_plain_form
from app.doctor.criteria.full_tables import fill
from app.doctor.criteria.reading import connections_are_retried, encrypted, sessions_at_once, tables_match
from app.doctor.criteria.samples import NoSamples
from app.doctor.criteria.scratch import Scratch, scratch
from app.doctor.criteria.writing import (
    every_index_is_used,
    last_write_wins,
    messages_go_with_their_conversation,
    migrations_go_up_and_down,
    orphans_are_refused,
    queries_are_fast,
    tables_are_the_same,
    the_first_migration_is_quick,
    times_move,
)
from app.doctor.findings import Broken, Finding, error, note, ok
from app.doctor.subject import Checks, Subject

CRITERIA: Final[Mapping[str, str]] = {
    "SC-001": "the tables match the models exactly",
    "SC-002": "foreign keys refuse a message without a valid conversation",
    "SC-003": "queries by user stay under 50 ms at 10,000 rows per user",
    "SC-004": "connections are encrypted and verified",
    "SC-005": "migrations upgrade and downgrade without loss",
    "SC-006": "20 sessions are open at once, further callers are queued",
    "SC-007": "timestamps are set automatically",
    "SC-008": "deleting a conversation removes all of its messages",
    "SC-009": "the planner uses every index",
    "SC-010": "the initial migration takes less than 30 s",
    "EC-2": "failed connections are retried",
    "EC-3": "of concurrent updates the last write wins, and updated_at shows which",
}
_READING: Final[Mapping[str, Callable[[Subject], Awaitable[str]]]] = {
    "SC-001": tables_match,
    "SC-004": encrypted,
    "SC-006": sessions_at_once,
    "EC-2": connections_are_retried,
}
_MIGRATING: Final[Mapping[str, Callable[[Scratch], Awaitable[str]]]] = {
    "SC-010": the_first_migration_is_quick,
    "SC-005": migrations_go_up_and_down,
}
_ON_EMPTY_TABLES: Final[Mapping[str, Callable[[Scratch], Awaitable[str]]]] = {
    "SC-002": orphans_are_refused,
    "SC-007": times_move,
    "SC-008": messages_go_with_their_conversation,
    "EC-3": last_write_wins,
}
_ON_FULL_TABLES: Final[Mapping[str, Callable[[Scratch], Awaitable[str]]]] = {
    "SC-003": queries_are_fast,
    "SC-009": every_index_is_used,
}
_GRANT: Final = """
select format('grant create on database %I to %I; or run --write as the role that runs migrations.',
  current_database(), current_user)"""


async def _criteria(subject: Subject) -> list[Finding]:
    found = {name: await _tried(name, check(subject)) for name, check in _READING.items()}
    rest, why = [], "needs --write"
    if subject.write:
        why = "see scratch.schema"
        try:
            ours = await _described(subject)
            await subject.pause()
            async with scratch(subject.settings) as place:
                await _write(place, ours, found)
        except DataAccessError as problem:
            advice = await _how_to_get_a_schema(subject, problem)
            rest = [error("scratch.schema", f"no scratch schema: {problem}", advice)]
    return [found.get(name) or _not_tried(name, why) for name in CRITERIA] + rest


async def _described(subject: Subject) -> dict[str, str]:
    """Return what the migrations created, also where the tables were partitioned or sharded since."""
    state = await (await subject.session.connection()).run_sync(sharding_of)
    divided = state.partitioned | state.sharded
    ours = described(await subject.rows(DESCRIBE, schema=state.schema))
    return in_plain_form(ours, [table for table in owned_tables() if table.name in divided])


async def _how_to_get_a_schema(subject: Subject, problem: DataAccessError) -> str:
    if problem.sqlstate != MISSING_RIGHT:
        return "Set DATABASE_DIRECT_URL to the server's direct URL; see the other findings first."
    return str(await subject.value(_GRANT))


async def _write(place: Scratch, ours: Mapping[str, str], found: dict[str, Finding]) -> None:
    for name, check in _MIGRATING.items():
        found[name] = await _tried(name, check(place))
    if found["SC-005"].advice:
        return
    if not found["SC-001"].advice:
        found["SC-001"] = await _tried("SC-001", tables_are_the_same(place, ours))
    for name, check in _ON_EMPTY_TABLES.items():
        found[name] = await _tried(name, check(place))
    try:
        await fill(place.db)
    except NoSamples as problem:
        found |= {name: _not_tried(name, str(problem)) for name in _ON_FULL_TABLES}
        return
    for name, check in _ON_FULL_TABLES.items():
        found[name] = await _tried(name, check(place))


async def _tried(name: str, attempt: Awaitable[str]) -> Finding:
    """Return whether the criterion holds, and the evidence."""
    try:
        return ok(_check(name), f"{CRITERIA[name]}: {await attempt}")
    except Broken as problem:
        return Finding(_check(name), problem.level, f"FAILED: {CRITERIA[name]}: {problem}", problem.advice)
    except NoSamples as problem:
        return _not_tried(name, str(problem))
    except DataAccessError as problem:
        return error(_check(name), f"FAILED: {CRITERIA[name]}: {problem}", "See the other findings first.")


def _not_tried(name: str, why: str) -> Finding:
    return note(_check(name), f"{CRITERIA[name]}: not tested ({why})")


def _check(name: str) -> str:
    return f"criteria.{name}"


CHECKS: Checks = {"criteria.all": _criteria}
