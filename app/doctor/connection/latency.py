"""Measure how far away the database is."""

import statistics
import time
from typing import Final

from app.doctor.findings import Finding, note, ok, warning
from app.doctor.subject import Checks, Subject, open_driver
from app.repositories import TaskRepo

_SAMPLES: Final = 10
_SAME_REGION_MS: Final = 10
_FAR_MS: Final = 50
_AWAKE_SECONDS: Final = 2


async def _round_trip(subject: Subject) -> list[Finding]:
    samples = []
    for _ in range(_SAMPLES):
        began = time.perf_counter()
        await subject.driver.execute("select 1")  # in the simple protocol: one round trip
        samples.append(time.perf_counter() - began)
    check, milliseconds = "latency.round_trip", statistics.median(samples) * 1000
    found = f"{milliseconds:.2f} ms, the median of {_SAMPLES}"
    if milliseconds > _FAR_MS:
        return [warning(check, found, "The database is far away: run the application in the database's region.")]
    if milliseconds > _SAME_REGION_MS:
        return [
            note(
                check, found, "Longer than within one region: check that the application runs in the database's region."
            )
        ]
    return [ok(check, found)]


async def _cold_connect(subject: Subject) -> list[Finding]:
    check, first, began = "latency.cold_connect", subject.first_connect_seconds, time.perf_counter()
    (await open_driver(subject.settings, subject.target)).terminate()
    milliseconds = (time.perf_counter() - began) * 1000
    parts = "login" if subject.tls is None else "TLS and login"
    found = f"{milliseconds:.1f} ms, including {parts}; the first took {first * 1000:.1f} ms"
    if first <= _AWAKE_SECONDS:
        return [ok(check, found)]
    found += ": the database was suspended, or is far away"
    return [note(check, found, "Callers wait this long after each suspension; see Sleep in docs/neon.md.")]


async def _call(subject: Subject) -> list[Finding]:
    if not await subject.is_readable():
        return []
    tasks = TaskRepo(subject.db)
    await tasks.count("doctor")  # prepares the statement
    subject.trips.reset()
    began = time.perf_counter()
    await tasks.count("doctor")
    milliseconds = (time.perf_counter() - began) * 1000
    check, found = "latency.call", f"a warm repository call: {subject.trips.count} round trip, {milliseconds:.2f} ms"
    if subject.trips.count == 1:
        return [ok(check, found)]
    return [
        warning(check, found.replace("trip,", "trips,"), "It should be one: look for event listeners on the engine.")
    ]


CHECKS: Checks = {
    "latency.round_trip": _round_trip,
    "latency.cold_connect": _cold_connect,
    "latency.call": _call,
}
