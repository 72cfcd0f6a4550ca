"""Why no connection could be made, and what to do about it."""

import socket
from typing import Final

from pydantic import ValidationError

from app.db.errors import DataAccessError, UnavailableError
from app.db.privacy import chain
from app.doctor.findings import Finding, error

CHECK: Final = "connection.open"
_BY_SQLSTATE: Final = {
    "28P01": "Copy the URL anew from where it is shown, or set a new password: alter role ... password ...",
    "28000": "The server lets this user in otherwise or from elsewhere: see its pg_hba.conf, or Neon's IP Allow.",
    "3D000": "Create the database, or write the name of one that is there into the URL.",
    "53300": "All connections are taken: end some, make the pools smaller, or use the pooled URL.",
    "57P03": "The server is starting or shutting down: try again in a minute, then read its log.",
}
_OTHERWISE: Final = "The sentence says what to change; the URL must be like postgresql://user:password@host/database."
_SILENT: Final = (
    "Is the host right, is the database's project active, and do firewalls on the way let its port through?"
)


def not_connected(problem: DataAccessError) -> Finding:
    """Return why, and what to do."""
    return error(CHECK, str(problem), _BY_SQLSTATE.get(problem.sqlstate or "") or _by_cause(problem))


def _by_cause(problem: DataAccessError) -> str:
    for cause in chain(problem):
        if isinstance(cause, socket.gaierror):
            return "The name of the host is not known: look for a typing error, then at this machine's DNS."
        if isinstance(cause, ConnectionRefusedError | FileNotFoundError):
            return "Nothing listens there: is the server running, and is the port right?"
    return _SILENT if isinstance(problem, UnavailableError) else _OTHERWISE


def without_settings(problem: ValidationError) -> Finding:
    """Return which of the settings cannot be used; what was in them is not shown."""
    details = problem.errors(include_input=False, include_url=False, include_context=False)
    words = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in details)
    return error(CHECK, words, _OTHERWISE)
