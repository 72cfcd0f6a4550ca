"""What the environment says about the database."""

from typing import Annotated

from pydantic import AliasChoices, Field, PositiveFloat, PositiveInt, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.db.url import ConnectionTarget, parse_url

Seconds = Annotated[float, Field(ge=0)]


class DatabaseSettings(BaseSettings):
    """Read from ``DATABASE_URL``, ``DATABASE_*`` and ``.env`` when it is made; arguments go before them."""

    model_config = SettingsConfigDict(
        env_prefix="DATABASE_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    url: SecretStr = Field(validation_alias=AliasChoices("url", "DATABASE_URL"))
    """Any PostgreSQL URL, as Neon's console writes it."""
    pool_size: PositiveInt = 20
    """Sessions at once; more are queued."""
    pool_timeout_seconds: PositiveFloat = 10
    """How long a caller is queued for a connection before `PoolTimeoutError`."""
    pool_recycle_seconds: PositiveFloat = 240
    """A connection older than this is replaced when next asked for: Neon suspends after 300 s."""
    connect_timeout_seconds: PositiveFloat = 15
    """Neon's proxy itself tries for 6 to 7 s to wake a compute."""
    command_timeout_seconds: PositiveFloat | None = 60
    """Kept by the client, for each statement."""
    statement_timeout_seconds: PositiveFloat | None = None
    """Kept by the server, for each statement of a transaction (``SET LOCAL``: one more round trip)."""
    lock_timeout_seconds: PositiveFloat | None = None
    """Kept by the server, for each lock that a transaction waits for (``SET LOCAL``, likewise)."""
    retry_seconds: PositiveFloat = 20
    """The deadline of one call and all its retries, of connecting too; Neon may take 7 s to wake."""
    retry_tries: PositiveInt = 30
    """How often at most within the deadline."""
    ping_after_idle_seconds: Seconds = 30
    """A connection idle for longer is asked for a sign of life before it is used again."""
    ping_timeout_seconds: PositiveFloat = 2
    """How long that sign may take before the connection is replaced."""
    idle_transaction_warning_seconds: PositiveFloat = 5
    """A transaction that runs no statement for longer is named in a warning, with its place in the code."""
    application_name: str = "async-data-layer"
    """How the sessions are named in ``pg_stat_activity``."""
    echo: bool = False
    """Log each statement and its time; its parameters only with `echo_parameters`."""
    echo_parameters: bool = False
    """Show parameters in logs and error texts. Messages are private: for development only."""

    def target(self) -> ConnectionTarget:
        """Return where and how to connect; raises `ConfigurationError` naming what is wrong in the URL."""
        return parse_url(self.url.get_secret_value())
