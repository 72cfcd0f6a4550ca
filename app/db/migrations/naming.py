"""Which database an Alembic command is for: every way to name one counts, and contradictions are refused.

What is given for this command takes precedence: ``attributes["connection" | "engine" | "url"]``, ``-x url=``, and
``sqlalchemy.url`` set by a program. Otherwise: ``sqlalchemy.url`` in the ini file, ``DATABASE_URL`` in the
environment, ``DATABASE_URL`` in ``.env`` (which the environment overrides, as everywhere). What another env.py would
read, like ``-x db_url=``, and what is given but empty is refused: the command would work on another database.
"""

import re
from collections.abc import Iterator
from configparser import InterpolationError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from alembic.config import Config
from alembic.util import CommandError
from pydantic import SecretStr
from sqlalchemy import URL, Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.errors import ConfigurationError
from app.db.migrations.connection import settings_of
from app.db.target.settings import DatabaseSettings

_URL: Final = "sqlalchemy.url"
_VARIABLE: Final = "DATABASE_URL"
_READ: Final = ("connection", "engine", "url")
_OTHER_NAME: Final = re.compile(r"(?:^|[_.-])(?:db|database|dsn|ur[il]|host|engine|connect)", re.IGNORECASE)
_HINTS: Final = {
    "AsyncConnection": "await connection.run_sync(...) gives the Connection that Alembic's commands take",
    "Engine": "an AsyncEngine is taken",
    "AsyncSession": "a Connection is taken: await (await session.connection()).run_sync(...)",
}


@dataclass(frozen=True, slots=True)
class Named:
    """A database and how it was named."""

    way: str
    value: Connection | AsyncEngine | DatabaseSettings

    def __str__(self) -> str:
        settings = settings_of(self.value)
        return f"{settings.target() if settings else 'a database'} ({self.way})"


def database_of(config: Config, x_arguments: dict[str, str]) -> Named:
    """Return the one database that is named.

    Raises `ConfigurationError` for none, and `CommandError` for two, showing both without passwords.
    """
    _refuse_other_names(config, x_arguments)
    named = list(_said(config, x_arguments)) or list(_standing(config))
    if not named:
        return Named(_VARIABLE, DatabaseSettings())  # its error says what to set
    place = _place(named[0])
    for other in named[1:]:
        if _place(other) != place:
            raise CommandError(
                f"two databases are named, and nothing was done: {named[0]} and {other}. Name one, or the same twice"
            )
    return named[0]


def _refuse_other_names(config: Config, x_arguments: dict[str, str]) -> None:
    for key, value in x_arguments.items():
        if key not in ("url", "yes") and (_OTHER_NAME.search(key) or "://" in value):
            raise CommandError(f"-x {key}= is not read, and nothing was done: -x url= names a database")
    for key in config.attributes:
        if key not in _READ and _OTHER_NAME.search(str(key)):
            names = " and ".join(f'attributes["{each}"]' for each in _READ)
            raise CommandError(f'attributes["{key}"] is not read, and nothing was done: {names} name a database')


def _said(config: Config, x_arguments: dict[str, str]) -> Iterator[Named]:
    attributes = config.attributes
    for key, kind in (("connection", Connection), ("engine", AsyncEngine)):
        if attributes.get(key) is not None:
            yield Named(f'attributes["{key}"]', _checked(key, attributes[key], kind))
    if "url" in attributes:
        yield Named('attributes["url"]', _settings(attributes["url"] or ""))
    if "url" in x_arguments:
        yield Named("-x url=", _settings(x_arguments["url"]))
    url = _option(config)
    if url is not None and url != _in_file(config):
        yield Named(f"{_URL} set by the program", _settings(url))


def _standing(config: Config) -> Iterator[Named]:
    url = _option(config)
    if url:
        yield Named(f"{_URL} in {config.config_file_name}", _settings(url))
    if DatabaseSettings.variable("url") is not None:
        yield Named(_VARIABLE, DatabaseSettings())


def _in_file(config: Config) -> str | None:
    """Return the value in the file itself; a program may have changed the configuration since it was read."""
    if config.config_file_name is None:
        return None
    return _option(Config(config.config_file_name, ini_section=config.config_ini_section))


def _option(config: Config) -> str | None:
    with suppress(InterpolationError):  # its text shows what follows the %
        return config.get_main_option(_URL)
    raise CommandError(f"{_URL} in {config.config_file_name} cannot be read: write %% for a %")


def _checked(key: str, value: Any, kind: type[Any]) -> Any:
    if isinstance(value, kind):
        return value
    name = type(value).__name__
    raise CommandError(f'attributes["{key}"] is of type {name}: {_HINTS.get(name, f"a {kind.__name__} is taken")}')


def _settings(url: str | URL | SecretStr) -> DatabaseSettings:
    """Return settings for a given URL, without DATABASE_DIRECT_URL, which belongs to DATABASE_URL."""
    if isinstance(url, URL):
        url = url.render_as_string(hide_password=False)
    return DatabaseSettings(url=url.get_secret_value() if isinstance(url, SecretStr) else url, direct_url=None)


def _place(named: Named) -> tuple[Any, ...]:
    """Return what two names of one database have in common; for a connection without settings, the connection."""
    settings = settings_of(named.value)
    if settings is None:
        source: Any = named.value
        url: URL = source.engine.url if isinstance(source, Connection) else source.url
        if not url.host:
            return (id(source),)
        settings = _settings(url)
    try:
        target = settings.target()
    except ConfigurationError as error:
        words = str(error)
        if named.way != _VARIABLE:
            words = f"{named.way}: {words.removeprefix(f'{_VARIABLE}: ')}"
        raise CommandError(words) from None
    with suppress(ConfigurationError):
        target = target.direct()  # a pooler and the server behind it are one database
    return (target.hosts, target.ports, target.database, target.user)
