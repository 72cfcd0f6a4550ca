"""The server's settings that a database URL may carry."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from app.db.errors import ConfigurationError
from app.db.target.parameters import Parameters

_SETTINGS: Final = (
    "client_connection_check_interval",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "lock_timeout",
    "search_path",
    "statement_timeout",
    "timezone",
    "transaction_timeout",
)
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_.-]*"
_IDENTIFIER: Final = r'"(?:[^"]|"")*"|[^\s,"]+'
# Words for a proxy on the way, which are no settings: Neon's, and Supabase's `reference`.
_ROUTING: Final = r"(?:endpoint|project)=(?P<endpoint>[\w-]+)|neon_\w+:.+|reference=[\w-]+"


def server_options(parameters: Parameters) -> Mapping[str, str]:
    """Take ``application_name``, ``options`` and the server's settings out of `parameters`; return what to send.

    Settings go into ``options``: Neon's proxy silently drops every other startup parameter.
    """
    settings: dict[str, str] = {}
    routing = []
    for word in _words(parameters.take("options")):
        if re.fullmatch(_ROUTING, word):
            routing.append(word)
        else:
            name, value = _setting(word)
            _put(settings, name, value)
    for name in [name for name in parameters.names() if name.lower() in _SETTINGS]:
        for value in parameters.take_all(name):
            _put(settings, name.lower(), value)
    if schema := parameters.take("schema", "currentSchema", "currentschema", "schema_search_path"):
        _put(settings, "search_path", schema if "," in schema else _quoted(schema))
    options = " ".join(routing + [f"-c {name}={_escaped(value)}" for name, value in settings.items()])
    fallback = parameters.take("fallback_application_name")
    sent = {
        "application_name": parameters.take("application_name", "ApplicationName") or fallback,
        "options": options,
    }
    return {name: value for name, value in sent.items() if value}


def sets_server_settings(settings: Mapping[str, str]) -> bool:
    """Return whether `settings` sets anything at the start of a session, which transaction poolers refuse."""
    return "-c " in settings.get("options", "")


def first_schema(settings: Mapping[str, str]) -> str:
    """Return the first schema by name in the search_path that `settings` set, or `public`."""
    words = (word for word in _words(settings.get("options", "")) if not re.fullmatch(_ROUTING, word))
    path = dict(map(_setting, words)).get("search_path", "")
    names = (name[1:-1].replace('""', '"') if name.startswith('"') else name for name in re.findall(_IDENTIFIER, path))
    return next((name for name in names if name != "$user"), "public")


def endpoint_of(settings: Mapping[str, str]) -> str:
    """Return the endpoint that ``options`` names to Neon's proxy, empty if there is none."""
    found = [
        match["endpoint"] for word in settings.get("options", "").split() if (match := re.fullmatch(_ROUTING, word))
    ]
    return next(filter(None, found), "")


def with_endpoint(settings: Mapping[str, str], endpoint: str) -> Mapping[str, str]:
    """Return the same settings for another endpoint; an empty one is none."""
    named = rf"(?<!\S)(endpoint|project)={re.escape(endpoint_of(settings))}(?!\S)"
    options = re.sub(named, rf"\1={endpoint}" if endpoint else "", settings.get("options", "")).strip()
    rest = {name: value for name, value in settings.items() if name != "options"}
    return rest | ({"options": options} if options else {})


def _words(options: str) -> Iterator[str]:
    """Yield the words as the server splits them: a backslash escapes the next character, quotes have no meaning."""
    words = (re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|[^\\\s])+", options))
    for word in words:
        yield f"--{next(words, '')}" if word == "-c" else word


def _setting(word: str) -> tuple[str, str]:
    name, equals, value = re.sub("^(--|-c)", "", word).partition("=")
    if not equals or not re.fullmatch(_NAME, name):
        raise ConfigurationError("options must have the form -c name=value or endpoint=name")
    if not word.startswith("-"):
        raise ConfigurationError(f"options has {name}=; write -c {name}=")
    return name.replace("-", "_"), value


def _put(settings: dict[str, str], name: str, value: str) -> None:
    if settings.setdefault(name, value) != value:
        raise ConfigurationError(f"it sets {name} twice with different values")


def _escaped(value: str) -> str:
    return re.sub(r"([\\\s])", r"\\\1", value)


def _quoted(name: str) -> str:
    return name if re.fullmatch("[a-z_][a-z0-9_]*", name) else '"{}"'.format(name.replace('"', '""'))
