"""The examination: connect, run every check in turn, and report the findings."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from app.db import Database, DatabaseSettings
from app.db.driver.neon import SHOWS_NEON
from app.db.driver.sqlstates import DRIVER_ERRORS, translate_driver
from app.db.engine.translation import translating
from app.db.errors import DataAccessError, TransientError
from app.db.remedies import remedy_for
from app.db.target.url import ConnectionTarget
from app.doctor.connection import address, capacity, latency, pooling, replicas, server, transport
from app.doctor.criteria import criteria, scratch
from app.doctor.findings import Finding, error
from app.doctor.measuring.round_trips import RoundTrips
from app.doctor.report import Report
from app.doctor.schema import access, plans, planting, revision, roles, row_security, sharding, structure
from app.doctor.subject import Check, Checks, Subject, open_driver, patient

Tell = Callable[[str], None]
_CHECKS: Final[Checks] = {
    **address.CHECKS,
    **transport.CHECKS,
    **latency.CHECKS,
    **pooling.CHECKS,
    **replicas.CHECKS,
    **server.CHECKS,
    **capacity.CHECKS,
    **access.CHECKS,
    **roles.CHECKS,
    **planting.CHECKS,
    **row_security.CHECKS,
    **revision.CHECKS,
    **structure.CHECKS,
    **sharding.CHECKS,
    **plans.CHECKS,
    **criteria.CHECKS,
    **scratch.CHECKS,
}

_AGAIN: Final = "Run the doctor again; see the other findings."
_ADVICE: Final = {
    "55P03": "Another session holds a lock: see access.locks, then run the doctor again.",
}


async def examine(
    settings: DatabaseSettings, *, instances: int = 1, write: bool = False, tell: Tell = lambda _: None
) -> Report:
    """Return the findings on the database of `settings`; call `tell` with the name of each step.

    It only reads; with `write` it also works in a scratch schema, which it always drops at the end.
    """
    try:
        target = settings.target()
        target.tls.context()  # report problems with its files now
    except DataAccessError as problem:
        return Report([address.not_understood(problem)], reached=False)
    findings = address.understood(target)
    try:
        tell(f"connecting to {target}")
        async with _subject(settings, target, instances=instances, write=write) as subject:
            subject.findings += findings
            for name, check in _CHECKS.items():
                tell(f"checking {name}")
                subject.findings += await _guarded(name, check, subject)
            return Report(subject.findings)
    except DataAccessError as problem:
        return Report([*findings, address.not_connected(problem)], reached=False)


@asynccontextmanager
async def _subject(
    settings: DatabaseSettings, target: ConnectionTarget, *, instances: int, write: bool
) -> AsyncIterator[Subject]:
    sessions = transport.record_tls(target.tls)
    began = time.perf_counter()
    driver = await open_driver(settings, target)
    tls = sessions[-1] if sessions else None
    seconds = time.perf_counter() - began
    try:
        on_neon = await _is_neon(driver)
        behind_pooler = await pooling.shares_sessions(settings, target, driver)
        async with Database(_cautious(settings, behind_pooler=behind_pooler)) as db:
            trips = RoundTrips.of(db.pool)
            read_only = db.engine.execution_options(postgresql_readonly=True)
            async with db.sessionmaker(bind=read_only, close_resets_only=True) as session:
                yield Subject(
                    settings, target, instances, write, db, trips, driver, tls, seconds, behind_pooler, on_neon, session
                )
    finally:
        driver.terminate()


async def _is_neon(driver: Any) -> bool:
    try:
        return bool(await driver.fetchval(f"select {SHOWS_NEON}"))
    except DRIVER_ERRORS as problem:
        raise translate_driver(problem, lost=TransientError) from problem


def _cautious(settings: DatabaseSettings, *, behind_pooler: bool) -> DatabaseSettings:
    """Return settings that work even if the application does not know of its pooler."""
    known: dict[str, Any] = {"pooler": "transaction"} if behind_pooler else {}
    return patient(settings).model_copy(update=known)


async def _guarded(name: str, check: Check, subject: Subject) -> list[Finding]:
    """Return what `check` finds; an error in it becomes a finding too, and the next check runs."""
    try:
        with translating():
            return await check(subject)
    except DRIVER_ERRORS as problem:
        finding = _not_looked_at(name, translate_driver(problem, lost=TransientError), subject.settings)
    except DataAccessError as problem:
        finding = _not_looked_at(name, problem, subject.settings)
    except Exception as problem:  # noqa: BLE001 - an unforeseen error must not hide the other checks' findings
        why = f"could not be checked: {type(problem).__name__}"  # the error's text may quote private values
        finding = error(name, why, "This is a bug in the doctor: report it.")
    await subject.session.invalidate()  # its connection is in an unknown state; the next check uses another
    return [finding]


def _not_looked_at(name: str, problem: DataAccessError, settings: DatabaseSettings) -> Finding:
    advice = remedy_for(problem, settings) or _ADVICE.get(problem.sqlstate or "", _AGAIN)
    return error(name, f"could not be checked: {problem.args[0]}", advice)
