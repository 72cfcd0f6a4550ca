"""The server's settings that a database URL may carry."""

import re
import shlex
from collections.abc import Mapping
from typing import Final

from app.db.errors import ConfigurationError

SETTINGS: Final = frozenset(
    {
        "client_connection_check_interval",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "lock_timeout",
        "search_path",
        "statement_timeout",
        "timezone",
        "transaction_timeout",
    }
)
_NEON: Final = ("endpoint", "project")


def server_options(parameters: dict[str, str]) -> dict[str, str]:
    """Take ``application_name``, ``options`` and the server's settings out of `parameters`; return what to send.

    Settings go into ``options``: of everything else Neon's proxy forwards nothing, and says nothing of it (FACTS).
    """
    words = _words(parameters.pop("options", ""))
    words += [f"-c {name}={_escaped(parameters.pop(name))}" for name in sorted(SETTINGS & set(parameters))]
    name = parameters.pop("application_name", "")
    return {
        **({"application_name": name} if name else {}),
        **({"options": " ".join(words)} if words else {}),
    }


def sets_server_settings(settings: Mapping[str, str]) -> bool:
    """Whether what is sent sets anything at the start of the session, which no transaction pooler allows."""
    return "-c " in settings.get("options", "")


def _words(options: str) -> list[str]:
    """Return the options one by one, each as ``-c name=value`` or Neon's ``endpoint=...``."""
    words: list[str] = []
    pending = iter(shlex.split(options))
    for word in pending:
        setting = next(pending, "") if word == "-c" else re.sub(r"^(--|-c)", "", word)
        name, equals, value = setting.partition("=")
        if not equals or not re.fullmatch(r"[a-z_][a-z0-9_.-]*", name):
            raise ConfigurationError("DATABASE_URL: options must be like -c name=value or endpoint=name")
        if word.startswith("-"):
            words.append(f"-c {name.replace('-', '_')}={_escaped(value)}")
        elif name in _NEON:
            words.append(setting)
        else:
            raise ConfigurationError(f"DATABASE_URL: options has {name}=, write -c {name}=")
    return words


def _escaped(value: str) -> str:
    return re.sub(r"([\\\s])", r"\\\1", value)
