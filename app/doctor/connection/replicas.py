"""Check the read replicas: reached, encrypted, replicas of this server, and not far behind it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from app.db.driver.sqlstates import DRIVER_ERRORS, MISSING_RIGHT, translate_driver
from app.db.errors import DataAccessError, TransientError
from app.db.replicas.identity import IDENTITY_FUNCTIONS, IDENTITY_SQL, Identity
from app.db.target.url import ConnectionTarget
from app.doctor.connection import transport
from app.doctor.findings import Finding, Level, error, note, ok, warning
from app.doctor.subject import Check, Checks, Subject, open_driver

_LAG_SECONDS: Final = 10
_LAG_BYTES: Final = 16 * 1024 * 1024  # a segment of the WAL
_POSITION: Final = "select cast(pg_catalog.pg_current_wal_lsn() as text)"
_STATE: Final = """
select pg_is_in_recovery() as is_replica, pg_is_in_recovery() and pg_is_wal_replay_paused() as is_paused,
  (select setting from pg_settings where name = 'recovery_min_apply_delay') as delay,
  (select setting from pg_settings where name = 'hot_standby_feedback') as feedback,
  pg_wal_lsn_diff(cast(cast($1 as text) as pg_lsn), pg_last_wal_replay_lsn()) as bytes,
  case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
    else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) end as seconds"""


async def _replicas(subject: Subject) -> list[Finding]:
    findings: list[Finding] = []
    for target in subject.settings.replica_targets():
        place = target.place(target.hosts, target.ports)
        try:
            async with _connection(subject, target) as (driver, sessions):
                found = await _examined(subject, target, driver, sessions)
        except DataAccessError as problem:
            advice = problem.advice or "Start it, or take its URL out of DATABASE_REPLICA_URL until it runs."
            found = [warning("replicas.reachable", str(problem.args[0]), advice)]
        findings += [replace(each, found=f"{place}: {each.found}") for each in found]
    return findings


@asynccontextmanager
async def _connection(subject: Subject, target: ConnectionTarget) -> AsyncIterator[tuple[Any, list[Any]]]:
    sessions = transport.record_tls(target.tls)
    driver = await open_driver(subject.settings.model_copy(update={"retry_seconds": 2.0}), target)
    try:
        yield driver, sessions
    except DRIVER_ERRORS as problem:
        raise translate_driver(problem, lost=TransientError) from problem
    finally:
        driver.terminate()


async def _examined(subject: Subject, target: ConnectionTarget, driver: Any, sessions: list[Any]) -> list[Finding]:
    position = str(await subject.driver.fetchval(_POSITION))
    state = await driver.fetchrow(_STATE, position)
    findings = [ok("replicas.reachable", "answers")]
    findings += await _transport(replace(subject, target=target, tls=sessions[-1] if sessions else None))
    findings += await _same_system(subject, driver)
    if not state["is_replica"]:
        advice = "Build it anew from the primary, or take its URL out of DATABASE_REPLICA_URL."
        return [*findings, warning("replicas.recovery", "it is no replica: it was promoted, or never was one", advice)]
    return [*findings, ok("replicas.recovery", "applies what the primary writes"), *_lag(state), *_feedback(state)]


async def _transport(subject: Subject) -> list[Finding]:
    """Return what is wrong with the encryption of this connection, or that nothing is."""
    checks: Sequence[Check] = list(transport.CHECKS.values())
    findings = [finding for check in checks for finding in await check(subject)]
    wrong = [replace(each, check="replicas.tls") for each in findings if each.level > Level.OK]
    return wrong or [replace(findings[0], check="replicas.tls")]


async def _same_system(subject: Subject, driver: Any) -> list[Finding]:
    check = "replicas.system"
    try:
        here, there = [Identity(**await each.fetchrow(IDENTITY_SQL)) for each in (subject.driver, driver)]
    except DRIVER_ERRORS as problem:
        if translate_driver(problem, lost=TransientError).sqlstate != MISSING_RIGHT:
            raise
        functions = ", ".join(IDENTITY_FUNCTIONS)
        grant = f"grant execute on function {functions} to {subject.target.user};"
        return [note(check, f"not compared with the primary: the role may not call {functions}", grant)]
    if here.system != there.system:
        advice = "Take its URL out of DATABASE_REPLICA_URL: it has the rows of another server, and is never asked."
        return [error(check, "a copy of another server than DATABASE_URL's", advice)]
    if there.is_replica and here.timeline != there.timeline:
        advice = (
            "If it follows this primary, run on the primary and then on it: checkpoint; otherwise build it anew from "
            "the primary, or take its URL out of DATABASE_REPLICA_URL."
        )
        return [warning(check, f"of timeline {there.timeline}, the primary of {here.timeline}: never asked", advice)]
    return [ok(check, "a copy of the primary")]


def _lag(state: Any) -> list[Finding]:
    check, behind = "replicas.lag", int(state["bytes"] or 0)
    found = f"{float(state['seconds'] or 0):.1f} s and {behind:,} bytes behind the primary"
    if state["is_paused"]:
        return [warning(check, f"paused: {found}", "On the replica: select pg_wal_replay_resume();")]
    if state["delay"] not in (None, "0"):
        advice = "On the replica: alter system reset recovery_min_apply_delay; select pg_reload_conf();"
        return [warning(check, f"delayed by recovery_min_apply_delay = {state['delay']} ms: {found}", advice)]
    if (state["seconds"] or 0) > _LAG_SECONDS or behind > _LAG_BYTES:
        advice = (
            "Meanwhile reads of users who wrote fall to the primary. Read the replica's log, and end what holds it up "
            "there: long queries, a slow disk or network, a replication that has ended."
        )
        return [warning(check, found, advice)]
    return [ok(check, found)]


def _feedback(state: Any) -> list[Finding]:
    check = "replicas.conflicts"
    if state["feedback"] == "on":
        return [ok(check, "hot_standby_feedback is on: the primary keeps the rows that long reads need")]
    advice = "On the replica: alter system set hot_standby_feedback = on; select pg_reload_conf();"
    return [note(check, "hot_standby_feedback is off: long reads are cancelled, and run on the primary", advice)]


CHECKS: Checks = {"replicas": _replicas}
