"""The settings of a database."""

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, Any, Final, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, SecretStr, StringConstraints
from pydantic_settings import SettingsConfigDict

from app.db.annotations import Accepts, default
from app.db.errors import ConfigurationError
from app.db.target.environment import EnvironmentSettings
from app.db.target.options import sets_server_settings
from app.db.target.unread import notes_on, parts_of_a_url
from app.db.target.url import SHAPE, ConnectionTarget, parse_url
from app.db.target.variables import Variable

Seconds = Annotated[float, Field(ge=0, le=1_000_000)]
PositiveSeconds = Annotated[float, Field(gt=0, le=1_000_000)]
"""At most eleven days: as milliseconds it is an integer to the server."""


_PREFIX: Final = "DATABASE_"
_BETWEEN_URLS: Final = r"\s*,\s*(?=\w+://)"  # a URL may have several hosts, with commas between them


class DatabaseSettings(EnvironmentSettings):
    """Read from ``DATABASE_URL``, ``DATABASE_*`` and ``.env`` when it is made; arguments go before them."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX)

    url: Accepts[SecretStr, str] = Field(default=...)
    """Any PostgreSQL URL, as Neon's console writes it."""
    direct_url: Accepts[SecretStr | None, str] = default(None)
    """Where migrations go if `DATABASE_URL` is a pooler whose host does not reveal the server; Neon's does."""
    replica_url: Accepts[SecretStr | None, str] = default(None)
    """Read replicas of `DATABASE_URL`, separated by commas; each answers reads of what it has (docs/replicas.md)."""
    replica_sticky_seconds: Seconds = 1
    """How long a user's reads go straight to the primary after a write of that user."""
    pooler: Literal["auto", "none", "transaction"] = "auto"
    """Whether the URLs lead to a transaction pooler; `auto`: if the host begins with a name ending in `-pooler`."""
    pool_size: PositiveInt = 20
    """Connections at once; further callers queue."""
    pool_min_size: NonNegativeInt = 0
    """How many idle connections are kept open."""
    pool_idle_seconds: PositiveSeconds = 60
    """A connection that is idle for longer is closed, without a query."""
    pool_timeout_seconds: PositiveSeconds | None = None
    """A limit for the queue that is shorter than the deadline; it does not run while connections are being opened."""
    pool_max_waiting: NonNegativeInt | None = None
    """Further callers get `PoolTimeoutError` at once when so many queue already."""
    pool_recycle_seconds: PositiveSeconds = 240
    """A connection of this age, or of up to a fifth less, is not used again: Neon suspends after 300 s."""
    connect_timeout_seconds: PositiveSeconds = 20
    """For one attempt. Neon's proxy itself tries for 6 to 7 s to wake a compute."""
    command_timeout_seconds: PositiveSeconds | None = 60
    """Enforced by the client, for each statement."""
    statement_timeout_seconds: PositiveSeconds | None = None
    """Enforced by the server, for each statement of a transaction (``SET LOCAL``: one more round trip)."""
    lock_timeout_seconds: PositiveSeconds | None = None
    """Enforced by the server, for each lock that a transaction waits for (``SET LOCAL``, likewise)."""
    retry_seconds: PositiveSeconds = 30
    """The deadline of one call: its time in the queue, connecting, and all retries; a Neon compute may start slowly."""
    ping_after_idle_seconds: Seconds = 30
    """A connection that was idle for longer is pinged before it is used again."""
    ping_timeout_seconds: PositiveSeconds = 2
    """How long the ping may take before the connection is replaced."""
    idle_transaction_warning_seconds: PositiveSeconds = 5
    """A transaction that runs no statement for longer is named in a warning, with its place in the code."""
    migration_lock_timeout_seconds: PositiveSeconds = 5
    """How long a revision, and traffic behind it, waits for a lock on a table before it gives way and retries."""
    migration_wait_seconds: PositiveSeconds = 300
    """How long a migration waits for another one to end, and how long each revision tries to get its locks."""
    migration_statement_timeout_seconds: PositiveSeconds | None = None
    """Enforced by the server, for each statement of a migration."""
    row_level_security: bool = False
    """Each query also names its user to the server; `python -m app rls on` makes the server check it."""
    sharded: bool = False
    """Each query also names its shard; `python -m app distribute` shards the database by user."""
    application_name: Annotated[str, StringConstraints(max_length=63, pattern=r"^[^\x00]*$")] = "async-data-layer"
    """How the sessions are named in ``pg_stat_activity``."""
    slow_statement_seconds: PositiveSeconds | None = None
    """Log a statement that took longer: its name, time, rows and wait for a connection. Nothing else."""
    echo: bool = False
    """Log each statement and its time; its parameters only with `echo_parameters`."""
    echo_parameters: bool = False
    """Show parameters in logs and error texts. Messages are private: for development only."""

    def _fill(self, given: dict[str, Any]) -> str:
        # DATABASE_DIRECT_URL is the other way to the database of DATABASE_URL, and not to another one. Nor are the
        # replicas another one's.
        if "url" in given and not self._is_of_the_environment(given["url"]):
            given.setdefault("direct_url", None)
            given.setdefault("replica_url", None)
        return super()._fill(given)

    @classmethod
    def _is_of_the_environment(cls, url: object) -> bool:
        with suppress(ConfigurationError):  # raised again where the variables are read
            variable = cls.variable("url")
            return variable is not None and variable.value == url
        return False

    @classmethod
    def judge(cls, strangers: Iterable[Variable]) -> tuple[str, ...]:
        """Refuse misspelt variables and those of other libraries; note the rest."""
        return notes_on(strangers, cls.model_fields, _PREFIX)

    @classmethod
    def missing(cls, field: str, strangers: Iterable[Variable]) -> str:
        """Return what to set, and which variables hold parts of a URL."""
        parts = parts_of_a_url(strangers, _PREFIX)
        aside = f" ({', '.join(parts)} {'is' if len(parts) == 1 else 'are'} not read: write one URL)" if parts else ""
        return f"{super().missing(field, strangers)}: {SHAPE}{aside}"

    def target(self) -> ConnectionTarget:
        """Return where and how to connect; raises `ConfigurationError` naming what is wrong in the URL."""
        if self.sharded and self.has_replicas:
            raise ConfigurationError("DATABASE_SHARDED and DATABASE_REPLICA_URL exclude each other: unset one of them")
        if self.row_level_security and self.sharded:
            raise ConfigurationError(
                "DATABASE_ROW_LEVEL_SECURITY and DATABASE_SHARDED exclude each other: a shard does not know the user "
                "that a statement names to the entry node. Unset one of them"
            )
        target = self._target(self.url, "url")
        notes = (*self._notes, *target.notes)
        if (target.connect_timeout_seconds or 0) > self.retry_seconds:
            notes += (f"connect_timeout is longer than DATABASE_RETRY_SECONDS, {self.retry_seconds:g}, the deadline",)
        return target.but(notes=notes)

    def _target(self, url: SecretStr, field: str) -> ConnectionTarget:
        """Return where the URL of the field leads, and whether that is a pooler."""
        target = parse_url(url.get_secret_value(), variable=self._label(field))
        pooled = target.pooled if self.pooler == "auto" else self.pooler == "transaction"
        if pooled and sets_server_settings(target.server_settings):
            raise ConfigurationError(
                f"{target} is a transaction pooler, where settings at the start of a session are an error: "
                f"take them out of {_PREFIX}{field.upper()}; in a transaction SET LOCAL works"
            )
        return target.but(pooled=pooled)

    def direct_target(self) -> ConnectionTarget:
        """Return where migrations, LISTEN and session locks go; raises `ConfigurationError` where it cannot be told."""
        if self.direct_url is None or not self.direct_url.get_secret_value().strip():
            return self.target().direct()
        return parse_url(self.direct_url.get_secret_value(), variable=self._label("direct_url")).direct()

    @property
    def has_replicas(self) -> bool:
        """Whether reads may go to replicas."""
        return bool(self.replica_url and self.replica_url.get_secret_value().strip())

    def replica_targets(self) -> list[ConnectionTarget]:
        """Return where the replicas are; raises `ConfigurationError` naming what is wrong in a URL."""
        return [self._target(url, "replica_url") for url in self._replica_urls()]

    def _replica_urls(self) -> list[SecretStr]:  # a frame of `replica_targets` would hold them as plain text
        urls = self.replica_url.get_secret_value().strip() if self.replica_url else ""
        return [SecretStr(url) for url in re.split(_BETWEEN_URLS, urls) if url]

    def _label(self, field: str) -> str:
        """Return how errors name the variable of a field, also where an argument was given in its place."""
        return self._read[field].label if field in self._read else f"{_PREFIX}{field.upper()}"
