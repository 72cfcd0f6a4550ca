"""The examination: connect, look at everything in turn, and tell what was found."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from app.db import Database, DatabaseSettings
from app.db.errors import DRIVER_ERRORS, DataAccessError, TransientError, translate_driver
from app.db.url import ConnectionTarget
from app.db.wire import RoundTrips
from app.doctor import (
    address,
    capacity,
    configuration,
    criteria,
    latency,
    plans,
    pooling,
    revision,
    scratch,
    server,
    structure,
    transport,
)
from app.doctor.connecting import not_connected
from app.doctor.findings import Finding, error
from app.doctor.report import Report
from app.doctor.subject import Check, Checks, Subject, open_driver, patient

_CHECKS: Final[Checks] = {
    **address.CHECKS,
    **transport.CHECKS,
    **latency.CHECKS,
    **pooling.CHECKS,
    **server.CHECKS,
    **configuration.CHECKS,
    **capacity.CHECKS,
    **revision.CHECKS,
    **structure.CHECKS,
    **plans.CHECKS,
    **scratch.CHECKS,
    **criteria.CHECKS,
}


async def examine(settings: DatabaseSettings, *, instances: int = 1, write: bool = False) -> Report:
    """Return what is found in the database that `settings` lead to.

    It reads, and with `write` it also works in a schema of its own, which it removes again however it ends.
    """
    try:
        async with _subject(settings, instances=instances, write=write) as subject:
            for name, check in _CHECKS.items():
                subject.findings += await _guarded(name, check, subject)
            return Report(subject.findings)
    except DataAccessError as problem:
        return Report([not_connected(problem)], reached=False)


@asynccontextmanager
async def _subject(settings: DatabaseSettings, *, instances: int, write: bool) -> AsyncIterator[Subject]:
    target = settings.target()
    target.tls.context()  # what is wrong with its files is said now
    began = time.perf_counter()
    driver = await open_driver(settings, target)
    seconds = time.perf_counter() - began
    try:
        behind_pooler = await _shares_sessions(settings, target)
        async with Database(_cautious(settings, behind_pooler=behind_pooler)) as db:
            trips = RoundTrips.of(db.engine)
            yield Subject(settings, target, instances, write, db, trips, driver, seconds, behind_pooler)
    finally:
        driver.terminate()


async def _shares_sessions(settings: DatabaseSettings, target: ConnectionTarget) -> bool:
    try:
        return await pooling.shares_sessions(settings, target)
    except DRIVER_ERRORS as problem:
        raise translate_driver(problem, lost=TransientError) from problem


def _cautious(settings: DatabaseSettings, *, behind_pooler: bool) -> DatabaseSettings:
    """Return settings that work whether the application knows of its pooler or not."""
    known: dict[str, Any] = {"pooler": "transaction"} if behind_pooler else {}
    return patient(settings).model_copy(update=known)


async def _guarded(name: str, check: Check, subject: Subject) -> list[Finding]:
    """Return what `check` finds; what keeps it from looking is a finding too, and the next check goes on."""
    try:
        return await check(subject)
    except DRIVER_ERRORS as problem:
        found: Exception = translate_driver(problem, lost=TransientError)
    except DataAccessError as problem:
        found = problem
    return [error(name, f"could not be looked at: {found}", "Run the doctor again; see that the role may read.")]
