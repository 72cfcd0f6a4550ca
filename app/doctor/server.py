"""What the server is."""

import time
from typing import Final

from app.doctor.findings import Finding, error, note, ok, warning
from app.doctor.subject import Checks, Subject

_OLDEST, _NEWEST = 14, 18
_TRUSTED_SKEW_SECONDS: Final = 2
_CLOCK_SAMPLES: Final = 5
_KNOWS_COLLATION_VERSION: Final = 15


async def _version(subject: Subject) -> list[Finding]:
    check, version = "server.version", subject.driver.get_server_version()
    found = f"PostgreSQL {subject.driver.get_settings().server_version}"
    if version.major < _OLDEST:
        return [error(check, found, f"Upgrade the server: {_OLDEST} to {_NEWEST} are supported.")]
    if version.major > _NEWEST:
        return [note(check, f"{found}: newer than what this was tested on ({_OLDEST} to {_NEWEST})")]
    return [ok(check, found)]


async def _writable(subject: Subject) -> list[Finding]:
    check = "server.writable"
    if await subject.value("select pg_is_in_recovery()"):
        return [
            error(check, "a standby: it takes no writes", "Connect to the primary, or target_session_attrs=primary.")
        ]
    if await subject.value("show default_transaction_read_only") == "on":
        advice = "Find out who set default_transaction_read_only: the role, the database, or a provider over its quota."
        return [error(check, "read-only: every write is refused", advice)]
    return [ok(check, "takes writes")]


async def _clock(subject: Subject) -> list[Finding]:
    check, (skew, within) = "server.clock", await _skew_seconds(subject)
    found = f"{abs(skew):.3f} s {'ahead of' if skew > 0 else 'behind'} this machine, give or take {within:.3f} s"
    if abs(skew) - within <= _TRUSTED_SKEW_SECONDS:
        return [ok(check, found)]
    return [warning(check, found, "Set both clocks by NTP: tokens expire, and logs are read, by one or the other.")]


async def _skew_seconds(subject: Subject) -> tuple[float, float]:
    """Return by how much the server's clock is ahead, and half the round trip in which that was measured."""
    samples = []
    for _ in range(_CLOCK_SAMPLES):
        asked = time.time()
        there = (await subject.driver.fetchval("select clock_timestamp()")).timestamp()
        answered = time.time()
        samples.append(((answered - asked) / 2, there - (asked + answered) / 2))
    within, skew = min(samples)
    return skew, within


async def _encoding(subject: Subject) -> list[Finding]:
    check, encoding = "server.encoding", await subject.value("show server_encoding")
    if encoding == "UTF8":
        return [ok(check, "UTF8")]
    advice = "Make a database with encoding 'UTF8' and move the data there: others cannot hold every character."
    return [error(check, f"{encoding}, not UTF8", advice)]


async def _collation(subject: Subject) -> list[Finding]:
    if subject.driver.get_server_version().major < _KNOWS_COLLATION_VERSION:
        return []
    check = "server.collation"
    (row,) = await subject.rows(
        "select datname, datcollversion as made, pg_database_collation_actual_version(oid) as now "
        "from pg_database where datname = current_database()"
    )
    if row["made"] == row["now"]:
        return [ok(check, f"its version is {row['now'] or 'fixed'}, as when the indexes were made")]
    return [
        warning(
            check,
            f"made with version {row['made']}, now {row['now']}: indexes on text may be in the wrong order",
            f'REINDEX DATABASE CONCURRENTLY, then: alter database "{row["datname"]}" refresh collation version;',
        )
    ]


CHECKS: Checks = {
    "server.version": _version,
    "server.writable": _writable,
    "server.clock": _clock,
    "server.encoding": _encoding,
    "server.collation": _collation,
}
