"""Which database a command works on."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console

from app.embedded import EmbeddedPostgres, default_data_folder


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    database_url: SecretStr | None = None


@contextmanager
def database_url(console: Console, *, kept: str | None = None) -> Iterator[str]:
    """Give DATABASE_URL, or the URL of a private PostgreSQL that runs as long as the block.

    Its data is removed at the end, or `kept` under that name for the next time.
    """
    given = _Environment().database_url
    if given is not None:
        console.print("database: [bold]DATABASE_URL[/]")
        yield given.get_secret_value()
        return
    folder = default_data_folder(kept) if kept else None
    with EmbeddedPostgres(folder) as server:
        fate = f"its data in {folder}" if folder else "gone when this ends"
        console.print(f"database: [bold]a private PostgreSQL[/], {fate} (or set DATABASE_URL)", soft_wrap=True)
        yield server.url()
