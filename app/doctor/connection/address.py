"""Show how the URL was read and, if connecting fails, why."""

import socket
from typing import Any, Final

from app.db.driver.redaction import chain
from app.db.errors import DataAccessError, UnavailableError
from app.db.target.url import ConnectionTarget
from app.doctor.findings import Finding, error, note, ok
from app.doctor.subject import Checks, Subject, open_driver

_UNDERSTOOD: Final = "url.target"
_OPEN: Final = "connection.open"
_DIRECT: Final = "url.direct"
_WRONG: Final = "Correct it where it is set, in the environment or in .env."
_BY_SQLSTATE: Final = {
    "28P01": "Copy the URL again from its source, or set a new password: alter role ... password ...",
    "28000": "The server rejects this user, address or way to log in: check its pg_hba.conf, or Neon's IP Allow.",
    "3D000": "Create the database, or write the name of an existing one into the URL.",
    "42501": "Grant the right: grant connect on database ... to ...;",
    "53300": "All connections are in use: end some, use smaller pools, or use the pooled URL.",
    "57014": "The statement_timeout of the role or the database cancels every statement: raise it.",
    "57P03": "The server is starting or shutting down: try again in a minute; if it lasts, read its log.",
}
_SILENT: Final = "Check that the host is right, that the database is running, and that no firewall blocks the port."
_OTHERWISE: Final = "Correct what the message names, in the URL or on the server."
# Equal for one server, since one start, and one database in it.
_IDENTITY: Final = """
select pg_postmaster_start_time()::text || ' ' || oid from pg_database where datname = current_database()"""


def understood(target: ConnectionTarget) -> list[Finding]:
    """Return how the URL was read, without its password."""
    words = [str(target), f"sslmode={target.tls.mode}", "pooled" if target.pooled else "direct"]
    words += [f"{name}={value}" for name, value in target.server_settings.items()]
    if target.target_session_attrs != "any":
        words.append(f"target_session_attrs={target.target_session_attrs}")
    return [ok(_UNDERSTOOD, ", ".join(words)), *(note("url.reading", text) for text in target.notes)]


def not_understood(problem: DataAccessError) -> Finding:
    """Return what is wrong with the URL; what to set where there is none is said once, as the advice."""
    sentence = str(problem)
    if sentence.startswith("Set "):
        return error(_UNDERSTOOD, "no URL is given", sentence)
    return error(_UNDERSTOOD, sentence, _WRONG)


def not_connected(problem: DataAccessError) -> Finding:
    """Return why connecting failed, and what to do."""
    advice = problem.advice or _BY_SQLSTATE.get(problem.sqlstate or "") or _by_cause(problem)
    return error(_OPEN, str(problem.args[0]), advice)


def _by_cause(problem: DataAccessError) -> str:
    for cause in chain(problem):
        if isinstance(cause, socket.gaierror):
            return "The host name cannot be resolved: check its spelling, then this machine's DNS."
        if isinstance(cause, ConnectionRefusedError | FileNotFoundError):
            return "Nothing listens there: check that the server is running and that the port is right."
    return _SILENT if isinstance(problem, UnavailableError) else _OTHERWISE


async def _migrations_reach_the_server(subject: Subject) -> list[Finding]:
    if not subject.target.pooled and not subject.settings.direct_url:
        return []
    set_it = "Set DATABASE_DIRECT_URL to the server's direct URL."
    try:
        target = subject.settings.direct_target()
        driver = await open_driver(subject.settings, target)
    except DataAccessError as problem:
        return [error(_DIRECT, f"migrations cannot connect: {problem}", set_it)]
    try:
        if await _identity(driver) != await _identity(subject.driver):
            return [error(_DIRECT, f"migrations go to {target}, a different database", set_it)]
    finally:
        driver.terminate()
    return [ok(_DIRECT, f"migrations go to {target}, the same database")]


async def _identity(driver: Any) -> str:
    return str(await driver.fetchval(_IDENTITY))


CHECKS: Checks = {_DIRECT: _migrations_reach_the_server}
