"""Show how the URL was read and, if connecting fails, why."""

import socket
from typing import Any, Final

from app.db.driver.redaction import chain
from app.db.errors import DataAccessError, UnavailableError
from app.db.target.url import SHAPE, ConnectionTarget
from app.doctor.findings import Finding, error, note, ok
from app.doctor.subject import Checks, Subject, open_driver

_UNDERSTOOD: Final = "url.target"
_OPEN: Final = "connection.open"
_DIRECT: Final = "url.direct"
_WRONG: Final = f"Mend it where it is set, in the environment or in .env; it is to be like {SHAPE}"
_BY_SQLSTATE: Final = {
    "28P01": "Copy the URL anew from where it is shown, or set a new password: alter role ... password ...",
    "28000": "The server lets this user in otherwise or from elsewhere: see its pg_hba.conf, or Neon's IP Allow.",
    "3D000": "Create the database, or write the name of one that is there into the URL.",
    "42501": "Let it in: grant connect on database ... to ...;",
    "53300": "All connections are taken: end some, make the pools smaller, or use the pooled URL.",
    "57014": "A statement_timeout of the role or the database ends everything: raise it.",
    "57P03": "The server is starting or shutting down: try again in a minute, then read its log.",
}
_SILENT: Final = (
    "Is the host right, is the database's project active, and do firewalls on the way let its port through?"
)
_OTHERWISE: Final = "Change what the sentence names, in the URL or on the server."
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
    """Return what is wrong with the URL."""
    return error(_UNDERSTOOD, str(problem), _WRONG)


def not_connected(problem: DataAccessError) -> Finding:
    """Return why connecting failed, and what to do."""
    advice = problem.advice or _BY_SQLSTATE.get(problem.sqlstate or "") or _by_cause(problem)
    return error(_OPEN, str(problem.args[0]), advice)


def _by_cause(problem: DataAccessError) -> str:
    for cause in chain(problem):
        if isinstance(cause, socket.gaierror):
            return "The name of the host is not known: look for a typing error, then at this machine's DNS."
        if isinstance(cause, ConnectionRefusedError | FileNotFoundError):
            return "Nothing listens there: is the server running, and is the port right?"
    return _SILENT if isinstance(problem, UnavailableError) else _OTHERWISE


async def _migrations_reach_the_server(subject: Subject) -> list[Finding]:
    if not subject.target.pooled and not subject.settings.direct_url:
        return []
    set_it = "Set DATABASE_DIRECT_URL to the server's own URL."
    try:
        target = subject.settings.direct_target()
        driver = await open_driver(subject.settings, target)
    except DataAccessError as problem:
        return [error(_DIRECT, f"migrations cannot connect: {problem}", set_it)]
    try:
        if await _identity(driver) != await _identity(subject.driver):
            return [error(_DIRECT, f"migrations go to {target}, which is another database", set_it)]
    finally:
        driver.terminate()
    return [ok(_DIRECT, f"migrations go to {target}, which is the same database")]


async def _identity(driver: Any) -> str:
    return str(await driver.fetchval(_IDENTITY))


CHECKS: Checks = {_DIRECT: _migrations_reach_the_server}
