"""The named parameters of a URL."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from app.db.errors import ConfigurationError
from app.db.target.elsewhere import advice_on

_MAY_HOLD_ANYTHING: Final = ("options", "password", "sslpassword", "application_name", "host", "unix_sock")


def decoded(text: str) -> str:
    """Decode percent-encoding; raises `ConfigurationError` if the result is not text."""
    if re.search("%(?![0-9A-Fa-f]{2})", text):
        raise ConfigurationError("it has a % that is not followed by two hex digits; write %25 for a literal %")
    # Compared, not caught: a UnicodeError carries the text, which may be a password.
    plain = unquote_to_bytes(text.encode(errors="replace"))
    value = plain.decode(errors="replace")
    if value.encode() != plain or "\0" in value or text.encode(errors="replace") != text.encode(errors="surrogatepass"):
        raise ConfigurationError("it is not valid UTF-8, or contains NUL; encode it again")
    return value


class Parameters:
    """The parameters of a URL: each is taken once, and what remains is an error."""

    def __init__(self, query: str) -> None:
        self._values: dict[str, list[str]] = {}
        for pair in filter(None, query.split("&")):
            name, _, value = pair.partition("=")
            _refuse_other_separators(name, value)
            self._values.setdefault(decoded(name), []).append(decoded(value))
        # An & in a password that is not encoded: what follows it would be shown as a name.
        self._hides_names = bool({"password", "sslpassword"} & self._values.keys())

    def put(self, name: str, value: str) -> None:
        """Add a parameter that the URL may say in two places; an empty one says nothing."""
        if value:
            self._values.setdefault(name, []).append(value)

    def take(self, *names: str) -> str:
        """Return the value of a parameter that has any of `names`, empty if there is none."""
        values = {value: name for name in names for value in self.take_all(name)}
        if len(values) > 1:
            raise ConfigurationError(f"it has {names[0]} twice with different values")
        return next(iter(values), "")

    def take_all(self, name: str) -> list[str]:
        """Return every value of a parameter that is not empty, in order."""
        return list(filter(None, self._values.pop(name, [])))

    def names(self) -> list[str]:
        """Return the names of the parameters that are left."""
        return list(self._values)

    def one_of(self, name: str, values: tuple[str, ...]) -> str:
        """Return a parameter's value, which must be one of `values`; the first is the default."""
        value = self.take(name) or values[0]
        if value not in values:
            raise ConfigurationError(f"{name} must be one of {', '.join(values)}")
        return value

    def refuse_what_is_left(self) -> None:
        """Raise `ConfigurationError` for what was not taken."""
        if not self._values:
            return
        name = min(self._values)
        if self._hides_names and not advice_on(name):
            raise ConfigurationError("a parameter next to password is unknown; write %26 for a & in the password")
        raise ConfigurationError(f"the parameter {_shown(name)} is not supported; {_advice(name)}")


def _refuse_other_separators(name: str, value: str) -> None:
    if name.startswith("?"):
        raise ConfigurationError("it has two ? in a row; remove one")
    if name not in _MAY_HOLD_ANYTHING and (found := re.search(r"[;?,]\w+=", value)):
        raise ConfigurationError(f"it has a {found[0][0]} between two parameters; write & instead")


def _advice(name: str) -> str:
    if name.startswith("amp;"):
        return "write & instead of &amp;"
    return advice_on(name) or "remove it, or, if it is a setting of the server, write options=-c%20name%3Dvalue"


def _shown(name: str) -> str:
    return name if re.fullmatch("[A-Za-z_; -]{1,50}", name) else "with a strange name"
