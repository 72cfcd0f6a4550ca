"""Variables with our prefix that are no settings: misspelt, or of another library or tool."""

import re
from collections.abc import Collection, Iterable
from typing import Final

from app.db.errors import ConfigurationError
from app.db.target.elsewhere import advice_on
from app.db.target.misspelt import meant
from app.db.target.variables import Variable

_PARTS: Final = "URI|DSN|CONNECTION_STRING|HOST(NAME)?|PORT|USER(NAME)?|PASS(WORD)?|NAME|DB(NAME)?"
_ABOUT_TLS: Final = r"SSL|TLS|CERT|(^|_)CA(_|$)"
_TLS: Final = (
    "write sslmode=... into DATABASE_URL, and sslrootcert, sslcert and sslkey where they are needed; without it TLS is "
    "required"
)


def notes_on(strangers: Iterable[Variable], settings: Collection[str], prefix: str) -> tuple[str, ...]:
    """Return a note for each variable that is not read; `settings` are in lower case.

    Raises `ConfigurationError` for one that is misspelt, or that would change the connection in another library.
    """
    notes = []
    for each in strangers:
        name = each.name.upper().removeprefix(prefix)
        if re.fullmatch(_PARTS, name):
            continue
        if reason := _refusal(name, each.value, settings, prefix):
            raise ConfigurationError(f"{each.label} is not a setting; {reason}")
        if not _is_of_something_else(name, each.value):
            notes.append(f"{each.label} is not a setting and is ignored")
    return tuple(notes)


def parts_of_a_url(strangers: Iterable[Variable], prefix: str) -> list[str]:
    """Return the names of variables that hold a part of a URL."""
    return [
        each.name
        for each in strangers
        if re.fullmatch(_PARTS, each.name.upper().removeprefix(prefix))
        and not _is_of_something_else(each.name, each.value)
    ]


def _refusal(name: str, value: str, settings: Collection[str], prefix: str) -> str | None:
    setting = meant(name.lower(), settings)
    if setting and not name.startswith("URL_"):
        return f"did you mean {prefix}{setting.upper()}?"
    if _is_of_something_else(name, value):
        return None
    advice = advice_on(name) or (_TLS if re.search(_ABOUT_TLS, name) else "")
    return advice.replace("the URL", f"{prefix}URL") if "write " in advice else None


def _is_of_something_else(name: str, value: str) -> bool:
    """Return whether it is another URL, or what Docker and Kubernetes set for a service called `database`."""
    service = name.startswith(("PORT_", "SERVICE_")) or value.startswith(("tcp://", "udp://"))
    return service or name.endswith("_URL") or name.startswith("URL_")
