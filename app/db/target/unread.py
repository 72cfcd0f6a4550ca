"""Variables with our prefix that are no settings: misspelt, or of another library or tool."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Final

from app.db.errors import ConfigurationError
from app.db.target.variables import Variable

_PARTS: Final = (
    "URI",
    "DSN",
    "HOST",
    "HOSTNAME",
    "PORT",
    "USER",
    "USERNAME",
    "PASSWORD",
    "PASS",
    "NAME",
    "DB",
    "DBNAME",
)
_POOL_SIZE: Final = "write DATABASE_POOL_SIZE instead"
_TLS: Final = "write sslmode=... into DATABASE_URL; without it TLS is required"
_ELSEWHERE: Final = {
    "MAX_OVERFLOW": "the pool never grows beyond DATABASE_POOL_SIZE: write the sum there",
    "MAX_CONNECTIONS": _POOL_SIZE,
    "CONNECTION_LIMIT": _POOL_SIZE,
    "POOL_MAX": _POOL_SIZE,
    "POOL_MAX_SIZE": _POOL_SIZE,
    "MAX_POOL_SIZE": _POOL_SIZE,
    "CONN_MAX_AGE": "write DATABASE_POOL_RECYCLE_SECONDS instead",
    "POOL_PRE_PING": "write DATABASE_PING_AFTER_IDLE_SECONDS=0 instead",
    "PRE_PING": "write DATABASE_PING_AFTER_IDLE_SECONDS=0 instead",
    "PGBOUNCER": "write DATABASE_POOLER=transaction instead",
    "STATEMENT_CACHE_SIZE": "it follows from DATABASE_POOLER: remove it",
    "PREPARED_STATEMENT_CACHE_SIZE": "it follows from DATABASE_POOLER: remove it",
    "PREPARED_STATEMENTS": "it follows from DATABASE_POOLER: remove it",
    "SCHEMA": "write options=-c%20search_path%3D... into DATABASE_URL",
    "SEARCH_PATH": "write options=-c%20search_path%3D... into DATABASE_URL",
    "SSL": _TLS,
    "SSLMODE": _TLS,
    "SSL_MODE": _TLS,
    "SSL_REQUIRE": _TLS,
    "USE_SSL": _TLS,
    "TLS": _TLS,
    "SSLROOTCERT": "write sslrootcert=/path/to/ca.crt into DATABASE_URL",
}
_ALIKE: Final = 0.85


def notes_on(strangers: Iterable[Variable], settings: Collection[str], prefix: str) -> tuple[str, ...]:
    """Return a note for each variable that is not read.

    Raises `ConfigurationError` for one that is misspelt, or that would change the connection in another library.
    """
    notes = []
    for each in strangers:
        name = each.name.upper().removeprefix(prefix)
        if reason := _refusal(name, settings, prefix):
            raise ConfigurationError(f"{each.label} is not a setting; {reason}")
        if name not in _PARTS and not _is_of_something_else(name, each.value):
            notes.append(f"{each.label} is not a setting and is ignored")
    return tuple(notes)


def parts_of_a_url(strangers: Iterable[Variable], prefix: str) -> list[str]:
    """Return the names of variables that hold a part of a URL."""
    return [
        each.name
        for each in strangers
        if each.name.upper().removeprefix(prefix) in _PARTS and not _is_of_something_else(each.name, each.value)
    ]


def _refusal(name: str, settings: Collection[str], prefix: str) -> str | None:
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    longer = [each for each in settings if each.startswith(f"{name}_")]
    meant = longer or get_close_matches(name, settings, n=1, cutoff=_ALIKE)
    return f"did you mean {prefix}{meant[0]}?" if len(meant) == 1 else None


def _is_of_something_else(name: str, value: str) -> bool:
    """Return whether it is another URL, or what Docker and Kubernetes set for a service called `database`."""
    service = name.startswith(("PORT_", "SERVICE_")) or value.startswith(("tcp://", "udp://"))
    return service or name.endswith("_URL") or name.startswith("URL_")
