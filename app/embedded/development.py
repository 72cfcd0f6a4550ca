"""Which database a developer's command uses."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.db.target.settings import DatabaseSettings
from app.embedded.server import EmbeddedPostgres, default_data_folder


def given_url() -> str | None:
    """Return DATABASE_URL, from the environment or .env."""
    given = DatabaseSettings.variable("url")
    return given.value if given else None


def development_folder() -> Path:
    """Return where this checkout's private PostgreSQL keeps its data."""
    return default_data_folder("development")


@contextmanager
def database_url(*, kept: bool = False) -> Iterator[tuple[str, str]]:
    """Yield a URL and what it leads to: DATABASE_URL, or a private PostgreSQL that runs during the block.

    The private server's data is deleted at the end, or `kept` for the next run.
    """
    if given := given_url():
        yield given, "DATABASE_URL"
        return
    folder = development_folder() if kept else None
    fate = f"its data in {folder}" if folder else "gone when this ends"
    with EmbeddedPostgres(folder) as server:
        yield server.url(), f"a private PostgreSQL, {fate} (or set DATABASE_URL)"
