"""The specification's success criteria, one by one."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from app.db import Database
from app.db.errors import ConfigurationError, DataAccessError
from app.db.migrations import upgrade
from app.doctor.criteria_reading import connections_are_retried, encrypted, tables_match, twenty_sessions
from app.doctor.criteria_writing import (
    every_index_is_used,
    last_write_wins,
    migrations_go_up_and_down,
    orphans_are_refused,
    queries_are_fast,
    times_move,
)
from app.doctor.findings import Finding, error, note, ok
from app.doctor.scratch import ScratchSettings, scratch
from app.doctor.subject import Checks, Subject
from app.doctor.verdict import Broken

Reading = Callable[[Subject], Awaitable[str]]
Writing = Callable[[Database], Awaitable[str]]

_TEXTS: Final[Mapping[str, str]] = {
    "SC-001": "the tables match the models exactly",
    "SC-002": "foreign keys refuse orphans, and a conversation's messages are deleted with it",
    "SC-003": "queries by user stay under 50 ms at 10,000 rows per user",
    "SC-004": "connections are encrypted",
    "SC-005": "migrations go up and down without loss, the first in under 30 s",
    "SC-006": "20 sessions at once, more are queued",
    "SC-007": "timestamps move by themselves",
    "SC-008": "every index is used",
    "SC-009": "failed connections are retried",
    "SC-010": "of concurrent updates the last write wins, and updated_at tells which",
}
_READING: Final[Mapping[str, Reading]] = {
    "SC-001": tables_match,
    "SC-004": encrypted,
    "SC-006": twenty_sessions,
    "SC-009": connections_are_retried,
}
_WRITING: Final[Mapping[str, Writing]] = {
    "SC-002": orphans_are_refused,
    "SC-003": queries_are_fast,
    "SC-007": times_move,
    "SC-008": every_index_is_used,
    "SC-010": last_write_wins,
}
_MIGRATING: Final = "SC-005"


async def _criteria(subject: Subject) -> list[Finding]:
    found = {name: await _tried(name, check(subject)) for name, check in _READING.items()}
    found |= await _written(subject) if subject.write else {}
    return [found.get(name) or _not_tried(name) for name in _TEXTS]


async def _written(subject: Subject) -> dict[str, Finding]:
    """Return what the criteria that write come to; where no schema can be made they are not tried."""
    try:
        async with scratch(subject.settings) as settings:
            found = {_MIGRATING: await _tried(_MIGRATING, migrations_go_up_and_down(settings))}
            if not found[_MIGRATING].advice:
                found |= await _written_in(settings)
            return found
    except ConfigurationError as problem:
        advice = (
            "The role must be allowed to create a schema, on the server itself: grant create on database ... to ..."
        )
        return {name: error(_check(name), f"not tried: {problem}", advice) for name in (_MIGRATING, *_WRITING)}


async def _written_in(settings: ScratchSettings) -> dict[str, Finding]:
    await upgrade(settings)
    async with Database(settings) as db:
        return {name: await _tried(name, check(db)) for name, check in _WRITING.items()}


async def _tried(name: str, attempt: Awaitable[str]) -> Finding:
    """Return that the criterion is kept, and how that was seen; or broken, and by what."""
    try:
        return ok(_check(name), f"{_TEXTS[name]}: {await attempt}")
    except Broken as problem:
        return Finding(_check(name), problem.level, f"NOT SO: {_TEXTS[name]}: {problem}", problem.advice)
    except DataAccessError as problem:
        return error(_check(name), f"NOT SO: {_TEXTS[name]}: {problem}", "See the other findings first.")


def _not_tried(name: str) -> Finding:
    return note(_check(name), f"{_TEXTS[name]}: not tried (needs --write)")


def _check(name: str) -> str:
    return f"criteria.{name}"


CHECKS: Checks = {"criteria.all": _criteria}
