"""What the environment says about the database."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, PositiveFloat, PositiveInt, SecretStr, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.db.annotations import Accepts, default
from app.db.errors import ConfigurationError
from app.db.target.options import sets_server_settings
from app.db.target.url import SHAPE, ConnectionTarget, parse_url

Seconds = Annotated[float, Field(ge=0)]


class DatabaseSettings(BaseSettings):
    """Read from ``DATABASE_URL``, ``DATABASE_*`` and ``.env`` when it is made; arguments go before them."""

    model_config = SettingsConfigDict(
        env_prefix="DATABASE_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    url: Accepts[SecretStr, str] = Field(default=..., validation_alias=AliasChoices("DATABASE_URL", "url"))
    """Any PostgreSQL URL, as Neon's console writes it."""
    direct_url: Accepts[SecretStr | None, str] = default(None)
    """Where migrations go if `DATABASE_URL` is a pooler whose host does not tell; Neon's does."""
    pooler: Literal["auto", "none", "transaction"] = "auto"
    """Whether `DATABASE_URL` is a transaction pooler; `auto`: if its host begins with a name ending in `-pooler`."""
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
    migration_lock_timeout_seconds: PositiveFloat = 5
    """How long a revision waits for a lock on a table, and traffic behind it, before it steps back and tries again."""
    migration_wait_seconds: PositiveFloat = 300
    """How long a migration waits for another one to end, and how long each revision tries to get its locks."""
    migration_statement_timeout_seconds: PositiveFloat | None = None
    """Kept by the server, for each statement of a migration."""
    application_name: str = "async-data-layer"
    """How the sessions are named in ``pg_stat_activity``."""
    slow_statement_seconds: PositiveFloat | None = None
    """Log a statement that took longer: its name, time, rows and wait for a connection. Nothing else."""
    echo: bool = False
    """Log each statement and its time; its parameters only with `echo_parameters`."""
    echo_parameters: bool = False
    """Show parameters in logs and error texts. Messages are private: for development only."""

    @model_validator(mode="before")
    @classmethod
    def _say_what_to_set(cls, data: Any) -> Any:
        if data.keys() & {"DATABASE_URL", "url"}:
            return data
        words = PydanticCustomError("missing", f"Set DATABASE_URL, in the environment or in .env: {SHAPE}")
        # Made here, so that it carries no input: pydantic's own would carry DATABASE_DIRECT_URL.
        missing = InitErrorDetails(type=words, loc=("DATABASE_URL",), input=None)
        raise ValidationError.from_exception_data(cls.__name__, [missing], hide_input=True)

    def target(self) -> ConnectionTarget:
        """Return where and how to connect; raises `ConfigurationError` naming what is wrong in the URL."""
        target = parse_url(self.url.get_secret_value())
        pooled = target.pooled if self.pooler == "auto" else self.pooler == "transaction"
        if pooled and sets_server_settings(target.server_settings):
            raise ConfigurationError(
                f"{target} is a transaction pooler, where settings at the start of a session are an error: "
                "take them out of DATABASE_URL; in a transaction SET LOCAL works"
            )
        notes = target.notes
        if (target.connect_timeout_seconds or 0) > self.retry_seconds:
            notes += (f"connect_timeout is longer than DATABASE_RETRY_SECONDS, {self.retry_seconds:g}, which ends it",)
        return replace(target, pooled=pooled, notes=notes)

    def direct_target(self) -> ConnectionTarget:
        """Return where migrations, LISTEN and session locks go; raises `ConfigurationError` where it cannot be told."""
        direct_url = self.direct_url.get_secret_value().strip() if self.direct_url else ""
        return parse_url(direct_url, variable="DATABASE_DIRECT_URL").direct() if direct_url else self.target().direct()
