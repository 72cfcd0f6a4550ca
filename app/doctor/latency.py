"""How far away the database is."""

import statistics
import time
from typing import Any, Final

from app.doctor.findings import Finding, note, ok, warning
from app.doctor.subject import Checks, Subject, open_driver
from app.repositories import TaskRepo

_SAMPLES: Final = 20
_SAME_REGION_MS: Final = 10
_FAR_MS: Final = 50
_AWAKE_SECONDS: Final = 2
_KNOWS_SYSTEM_USER: Final = 16
# From the first packet to ReadyForQuery; SCRAM asks and answers twice before it is satisfied.
_LOGIN_TRIPS: Final = {"scram-sha-256": 3, "md5": 2, "password": 2}


async def _round_trip(subject: Subject) -> list[Finding]:
    check, milliseconds = "latency.round_trip", await round_trip_ms(subject.driver)
    found = f"{milliseconds:.2f} ms, the median of {_SAMPLES}"
    if milliseconds > _FAR_MS:
        return [warning(check, found, "The database is far away: run the application in the region of its database.")]
    if milliseconds > _SAME_REGION_MS:
        return [note(check, found, "More than within one region: is the application in the database's?")]
    return [ok(check, found)]


async def round_trip_ms(driver: Any) -> float:
    """Return the median time of the smallest statement, in milliseconds."""
    samples = []
    for _ in range(_SAMPLES):
        began = time.perf_counter()
        await driver.execute("select 1")
        samples.append(time.perf_counter() - began)
    return statistics.median(samples) * 1000


async def _cold_connect(subject: Subject) -> list[Finding]:
    check, began = "latency.cold_connect", time.perf_counter()
    driver = await open_driver(subject.settings, subject.target)
    milliseconds = (time.perf_counter() - began) * 1000
    try:
        trips = _network_trips(subject, driver) + await _login_trips(subject, driver)
    finally:
        driver.terminate()
    found = f"{milliseconds:.1f} ms, {trips} round trips with TCP, TLS and login"
    if subject.first_connect_seconds > _AWAKE_SECONDS:
        asleep = f"; the first one took {subject.first_connect_seconds:.1f} s: the database was asleep, or far away"
        return [note(check, found + asleep, "Callers wait as long after each sleep; see autosuspend in docs/neon.md.")]
    return [ok(check, found)]


def _network_trips(subject: Subject, driver: Any) -> int:
    """Return what passes before the login: TCP's handshake, the question whether there is TLS, TLS's handshake."""
    if subject.target.is_socket:
        return 0
    tls = driver._transport.get_extra_info("ssl_object")  # noqa: SLF001 - asyncpg has no public name for it
    if tls is None:
        return 1
    asked = 0 if subject.target.tls.direct else 1
    return 1 + asked + (1 if tls.version() == "TLSv1.3" else 2)


async def _login_trips(subject: Subject, driver: Any) -> int:
    """Return what the login takes: as the server says, or behind a pooler, and before 16, as is usual."""
    if subject.behind_pooler or driver.get_server_version().major < _KNOWS_SYSTEM_USER:
        return _LOGIN_TRIPS["scram-sha-256"] if subject.target.password else 1
    method = await driver.fetchval("select split_part(system_user, ':', 1)")
    return _LOGIN_TRIPS.get(method or "", 1)


async def _call(subject: Subject) -> list[Finding]:
    if not await subject.has_tables():
        return []
    tasks = TaskRepo(subject.db)
    await tasks.count("doctor")  # prepares it
    subject.trips.reset()
    began = time.perf_counter()
    await tasks.count("doctor")
    milliseconds = (time.perf_counter() - began) * 1000
    check, found = "latency.call", f"a warm repository call: {subject.trips.count} round trip, {milliseconds:.2f} ms"
    if subject.trips.count == 1:
        return [ok(check, found)]
    return [warning(check, found.replace("trip,", "trips,"), "It should be one: does something listen on the engine?")]


CHECKS: Checks = {
    "latency.round_trip": _round_trip,
    "latency.cold_connect": _cold_connect,
    "latency.call": _call,
}
