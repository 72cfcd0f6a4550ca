"""Which database a command works on."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console

from app.db.embedded import EmbeddedPostgres


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    database_url: SecretStr | None = None


@contextmanager
def database_url(console: Console) -> Iterator[str]:
    """Give DATABASE_URL, or the URL of a private PostgreSQL that lives as long as the block."""
    given = _Environment().database_url
    if given is not None:
        console.print("database: [bold]DATABASE_URL[/]")
        yield given.get_secret_value()
        return
    with EmbeddedPostgres() as server:
        console.print("database: [bold]a private PostgreSQL[/], gone when this ends (or set DATABASE_URL)")
        yield server.url()
