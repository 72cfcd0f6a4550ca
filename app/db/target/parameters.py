"""What a URL says by name."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from app.db.errors import ConfigurationError

_ELSEWHERE: Final = {
    "hostaddr": "write the address as the host",
    "passfile": "write the password into the URL",
    "service": "write what it stands for into the URL",
    "gssencmode": "only TLS encrypts here, see sslmode",
    "pgbouncer": "write DATABASE_POOLER=transaction instead",
    "schema": "write options=-c%20search_path%3Dname",
    "connection_limit": "write DATABASE_POOL_SIZE instead",
    "pool_timeout": "write DATABASE_POOL_TIMEOUT_SECONDS instead",
    "prepared_statement_cache_size": "it follows from DATABASE_POOLER",
    "statement_cache_size": "it follows from DATABASE_POOLER",
    "command_timeout": "write DATABASE_COMMAND_TIMEOUT_SECONDS instead",
}


def decoded(text: str) -> str:
    """Return `text` without percent-encoding; raises `ConfigurationError` where that is no text."""
    if re.search("%(?![0-9A-Fa-f]{2})", text):
        raise ConfigurationError("it has a % that begins no %XX; write %25 for a % that belongs there")
    # Compared, not caught: a UnicodeError carries the text, which may be a password.
    plain = unquote_to_bytes(text.encode(errors="replace"))
    value = plain.decode(errors="replace")
    if value.encode() != plain or "\0" in value or text.encode(errors="replace") != text.encode(errors="surrogatepass"):
        raise ConfigurationError("it has something in it that is not UTF-8; encode it anew, and with no NUL")
    return value


class Parameters:
    """The parameters of a URL: each is taken once, and what nobody took is an error."""

    def __init__(self, query: str) -> None:
        self._values: dict[str, str] = {}
        for pair in filter(None, query.split("&")):
            name, _, value = pair.partition("=")
            self.put(name, decoded(value))

    def put(self, name: str, value: str) -> None:
        """Add a parameter that the URL may say in two places; an empty one says nothing."""
        if name in {"password", "sslpassword"}:  # its rest may have been taken for names, and those are shown
            raise ConfigurationError(f"{name} cannot be a parameter; write user:password@ before the host")
        if value and (self._values.get(name) or value) != value:
            raise ConfigurationError(f"it has {_shown(name)} twice with different values")
        self._values[name] = value or self._values.get(name, "")

    def take(self, name: str) -> str:
        """Return a parameter's value, empty where there is none."""
        return self._values.pop(name, "")

    def one_of(self, name: str, values: tuple[str, ...]) -> str:
        """Return a parameter's value if it is one of `values`, the first where there is none."""
        value = self.take(name) or values[0]
        if value not in values:
            raise ConfigurationError(f"{name} must be one of {', '.join(values)}")
        return value

    def refuse_what_is_left(self) -> None:
        """Raise `ConfigurationError` for what nobody took."""
        if self._values:
            name = min(self._values)
            advice = _ELSEWHERE.get(name, "remove it; a setting of the server is written options=-c%20name%3Dvalue")
            raise ConfigurationError(f"the parameter {_shown(name)} is not supported; {advice}")


def _shown(name: str) -> str:
    return name if re.fullmatch("[A-Za-z_;]{1,50}", name) else "with a strange name"
