"""Clean up a pasted URL, and refuse what cannot be meant."""

import re
from collections.abc import Mapping
from typing import Final

from app.db.errors import ConfigurationError

SHAPE: Final = "postgresql://user:password@host/database"
_SCHEMES: Final = ("postgresql", "postgres", "postgresql+asyncpg")
# What may be shown of a wrong scheme: anything else before :// may be a piece of a password.
_OTHER_SCHEMES: Final = (
    r"(jdbc:)?(postgres|postgresql|postgis|pgsql|prisma|socket|mysql|mariadb|sqlite|mssql|oracle|cockroachdb|mongodb"
    r"|redis|https?)(\+[a-z0-9_]+)?"
)
_LONGEST: Final = 10_000
_AROUND: Final = r"^(export\s+)?DATABASE(_DIRECT)?_URL\s*=|^psql(\s+-d)?\s"
_QUOTES: Final = {"'": "'", '"': '"', "`": "`", "\u2018": "\u2019", "\u201c": "\u201d"}  # chats make curly ones
# A byte order mark, zero-width spaces and marks of direction, which copying brings along.
_INVISIBLE: Final = "\ufeff\u200b\u200c\u200d\u2060\u200e\u200f\u202a\u202b\u202c"
# What shells, Compose, Kubernetes, templates and Windows replace, and what consoles and manuals show for people to
# replace. Percent-encoded, each is meant literally.
_UNFILLED: Final = r"\$?\{\{[^{}]*\}\}|[$#]\{[^{}]*\}|\$\(\w+\)|<%.*?%>"
_WHOLE: Final = r"\$[A-Z_][A-Z0-9_]*|%\w+%|" + _UNFILLED
_PLACEHOLDER: Final = r"\[[\w -]+\]|<[\w -]+>|\{[\w -]+\}"
_IN_A_HOST: Final = r"\$\w+|(?<![\w%])%\w+%(?!\w)|" + _PLACEHOLDER  # no host has such signs


def unwrapped(text: str) -> str:
    """Return the URL without what surrounds it in a shell, a `.env` or a chat."""
    if len(text) > _LONGEST:
        raise ConfigurationError(f"it is {len(text):,} characters long; write {SHAPE}")
    before = None
    while before != text:
        before = text
        text = re.sub(_AROUND, "", text.strip().strip(_INVISIBLE)).strip()
        if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
            text = text[1:-1]
    return text


def without_scheme(text: str) -> str:
    """Return what follows ``postgresql://``; raises `ConfigurationError`."""
    if not text:
        raise ConfigurationError(f"it is empty; write {SHAPE}")
    if text[0] in _QUOTES or text[-1] in _QUOTES.values():
        raise ConfigurationError("it has a quote at one end only; remove it, or write %27 for ' and %22 for \"")
    scheme, _, rest = text.partition("://")
    if whole := re.fullmatch(_WHOLE, text) or re.fullmatch(_PLACEHOLDER, text):
        raise ConfigurationError(f"it is {_form(whole)}, a placeholder; write {SHAPE}")
    if not rest:
        raise ConfigurationError(f"it is not a URL; write {SHAPE}")
    if re.search(r"\s", text):
        if unfilled := re.search(_UNFILLED, text):
            raise ConfigurationError(f"it contains {_form(unfilled)}, a placeholder; write its value instead")
        raise ConfigurationError("it has a space or a line break in it; remove it, or write %20 if it belongs there")
    if scheme.lower() not in _SCHEMES:
        shown = f"{scheme}://" if re.fullmatch(_OTHER_SCHEMES, scheme) else "something else"
        raise ConfigurationError(f"it begins with {shown}; write {SHAPE}")
    return rest


def refuse_unencoded(place: str, query: str) -> None:
    """Refuse a password with an unencoded sign: its rest would be read, and shown, as a host or a parameter."""
    authority, _, path = place.partition("/")
    if authority.endswith(("@", "@[")) and "/" in path and "@" not in path + query:
        raise ConfigurationError(
            "it has the folder of a socket in place of the host; write ?host=/folder after /database"
        )
    code = (
        "%23 for #" if "#" in place + query else
        "%3F for ?, and in parameters %40 for @" if "@" in query else
        "%40 for @" if authority.count("@") > 1 else
        "%2F for /" if "/" in path[:-1] or "@" in path else
        None
    )  # fmt: skip
    if code and (unfilled := re.search(_UNFILLED, f"{place}?{query}")):
        raise ConfigurationError(f"it contains {_form(unfilled)}, a placeholder; write its value instead")
    if code:
        raise ConfigurationError(f"it has a character that must be encoded; in user, password or database write {code}")


def refuse_placeholders(parts: Mapping[str, str]) -> None:
    """Refuse placeholders that were not replaced."""
    for part, text in parts.items():
        unfilled = (
            re.search(_UNFILLED, text) or re.fullmatch(_WHOLE, text) or (part == "host" and re.search(_IN_A_HOST, text))
        )
        if unfilled:
            # Without an @ in the URL, what follows the : is the password.
            shown = _form(unfilled) if part == "password" or ":" in text[: unfilled.start()] else unfilled[0]
            raise ConfigurationError(f"its {part} contains {shown}, a placeholder; write the {part} instead")
        if re.fullmatch(_PLACEHOLDER, text):
            raise ConfigurationError(f"its {part} is a placeholder in {text[0]}{text[-1]}; write the {part} instead")
    _refuse_unencoded_database(parts["database"])


def _refuse_unencoded_database(name: str) -> None:
    if "&" in name:
        raise ConfigurationError("its database contains a &; write ? before the first parameter, or %26 for the &")
    if unencoded := re.search(r"""[;,\\`"'<>{}|^\[\]/]""", name):
        sign = unencoded[0]
        raise ConfigurationError(f"its database contains a {sign}; remove it, or write %{ord(sign):02X}")


def _form(placeholder: re.Match[str]) -> str:
    """Return a placeholder without what is in it, which may be a piece of a password."""
    return re.sub(r"(?<=[$#%{(<\[])[^$#%{(<\[].*?(?=[]%})>]*$)", "...", placeholder[0], count=1, flags=re.DOTALL)
