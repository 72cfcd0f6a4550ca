"""Check the server: version, clock, encoding, durability of commits, and timeouts for statements that hang."""

import time
from typing import Final

from app.doctor.findings import Finding, error, note, ok, warning
from app.doctor.subject import Checks, Subject, table_names

_OLDEST, _NEWEST = 14, 18
_TRUSTED_SKEW_SECONDS: Final = 2
_CLOCK_SAMPLES: Final = 5
_KNOWS_COLLATION_VERSION: Final = 15
_LOST: Final = {
    "synchronous_commit": "the most recent commits are lost if the server crashes",
    "fsync": "a crash of the machine can corrupt the whole database",
    "full_page_writes": "a crash of the machine can corrupt pages of the database",
}
_ON_NEON: Final = ("fsync", "full_page_writes")  # off there: Neon does not rely on the compute's disk for durability
# The values with which this role's sessions begin, not those that the doctor sets for its transaction.
_TIMEOUTS: Final = """
select name, cast(reset_val as numeric) / 1000.0 as seconds, quote_ident(cast(current_user as text)) as role
from pg_settings where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')
order by name desc"""


async def _version(subject: Subject) -> list[Finding]:
    check, version = "server.version", subject.driver.get_server_version()
    found = f"PostgreSQL {subject.driver.get_settings().server_version}"
    if version.major < _OLDEST:
        return [error(check, found, f"Upgrade the server: {_OLDEST} to {_NEWEST} are supported.")]
    if version.major > _NEWEST:
        return [note(check, f"{found}: newer than the tested versions ({_OLDEST} to {_NEWEST})")]
    return [ok(check, found)]


async def _writable(subject: Subject) -> list[Finding]:
    check = "server.writable"
    if await subject.value("select pg_is_in_recovery()"):
        return [
            error(
                check, "a standby: it accepts no writes", "Connect to the primary, or set target_session_attrs=primary."
            )
        ]
    if await subject.value("show default_transaction_read_only") == "on":
        advice = (
            "Find where default_transaction_read_only is set, the role, the database or the provider, and reset it."
        )
        return [error(check, "read-only: every write is refused", advice)]
    return [ok(check, "accepts writes")]


async def _clock(subject: Subject) -> list[Finding]:
    check, (skew, within) = "server.clock", await _skew_seconds(subject)
    found = f"{abs(skew):.3f} s {'ahead of' if skew > 0 else 'behind'} this machine, ± {within:.3f} s"
    if abs(skew) - within <= _TRUSTED_SKEW_SECONDS:
        return [ok(check, found)]
    return [warning(check, found, "Synchronize both clocks by NTP: tokens and logs rely on both.")]


async def _skew_seconds(subject: Subject) -> tuple[float, float]:
    """Return how far the server's clock is ahead, and half the round trip of the measurement, in seconds."""
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
    advice = "Create a database with encoding 'UTF8' and move the data there: others cannot store every character."
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
        return [ok(check, f"its version is {row['now'] or 'fixed'}, as when the indexes were built")]
    return [
        warning(
            check,
            f"built with version {row['made']}, now {row['now']}: indexes on text may be in the wrong order",
            f'REINDEX DATABASE CONCURRENTLY, then: alter database "{row["datname"]}" refresh collation version;',
        )
    ]


async def _durability(subject: Subject) -> list[Finding]:
    findings = []
    for name, lost in _LOST.items():
        check, value = f"configuration.{name}", await subject.value(f"show {name}")
        if value != "off":
            findings.append(ok(check, value))
        elif subject.on_neon and name in _ON_NEON:
            findings.append(ok(check, "off, as always on Neon, which does not store commits on a local disk"))
        else:
            advice = f"Set {name} = on where it is off: on the server, the database or the role."
            findings.append(warning(check, f"off: {lost}", advice))
    return findings


async def _autovacuum(subject: Subject) -> list[Finding]:
    check = "configuration.autovacuum"
    if await subject.value("show autovacuum") == "off":
        advice = (
            "Set autovacuum = on: without it tables bloat, plans degrade, and in the end the server refuses writes."
        )
        return [warning(check, "off", advice)]
    off_for = await subject.rows(
        "select relname from pg_class where relname = any(:tables) and pg_table_is_visible(oid) "
        "and 'autovacuum_enabled=false' = any(reloptions) order by relname",
        tables=table_names(),
    )
    if off_for:
        reset = " ".join(f"alter table {row['relname']} reset (autovacuum_enabled);" for row in off_for)
        return [warning(check, f"off for {', '.join(row['relname'] for row in off_for)}", reset)]
    return [ok(check, "on")]


async def _timeouts(subject: Subject) -> list[Finding]:
    check, rows = "configuration.timeouts", await subject.rows(_TIMEOUTS)
    seconds = {row["name"]: float(row["seconds"]) for row in rows}
    client = subject.settings.command_timeout_seconds
    found = ", ".join(f"{name} {f'{value:g} s' if value else 'none'}" for name, value in seconds.items())
    found += f"; the client waits {f'{client:g} s' if client else 'indefinitely'} for a statement"
    if client is None and not seconds["statement_timeout"]:
        return [warning(check, found, "Set DATABASE_COMMAND_TIMEOUT_SECONDS: without it a call may never return.")]
    if not seconds["idle_in_transaction_session_timeout"]:
        set_it = f"alter role {rows[0]['role']} set idle_in_transaction_session_timeout = '60s';"
        return [note(check, found, f"A client that hangs in a transaction holds its locks indefinitely. {set_it}")]
    return [ok(check, found)]


CHECKS: Checks = {
    "server.version": _version,
    "server.writable": _writable,
    "server.clock": _clock,
    "server.encoding": _encoding,
    "server.collation": _collation,
    "configuration.durability": _durability,
    "configuration.autovacuum": _autovacuum,
    "configuration.timeouts": _timeouts,
}
