"""The commands of ``python -m app``."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from app.cli.demo import demo as run_demo
from app.cli.serve import serve as run_server
from app.cli.server import database_url
from app.db import DatabaseSettings
from app.db.embedded import EmbeddedPostgresError
from app.db.errors import DataAccessError
from app.db.migrations import upgrade

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show values, and messages are private
    help="An async data-access layer on PostgreSQL. The database is DATABASE_URL, from the environment or .env.",
)
_console = Console()


@app.callback()
def _main() -> None:
    pass


@app.command()
def demo() -> None:
    """Show every promise at work: statement, round trips and index of each step. Exit status 1 if one is broken.

    Without DATABASE_URL a private PostgreSQL is started and thrown away. With it, what the tour writes for its own
    users is deleted at the end.
    """
    with _in_words(), database_url(_console) as url:
        kept = asyncio.run(run_demo(DatabaseSettings(url=url), _console))
    raise typer.Exit(0 if kept else 1)


@app.command()
def migrate(revision: str = "head") -> None:
    """Bring DATABASE_URL up to a revision, on its direct host; safe to run at any time from many places at once.

    Exit status 3 if the database is ahead of this code: nothing was changed.
    """
    with _in_words():
        asyncio.run(upgrade(DatabaseSettings(), revision))


@app.command()
def serve(host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve the API for development, on DATABASE_URL or a private PostgreSQL whose data is kept; Ctrl-C ends it.

    Its secret is made anew each time, and it gives tokens to whoever asks, so it answers this machine only. In
    production run `uvicorn --factory app.api:create_app` with API_* and DATABASE_* set.
    """
    with _in_words(), database_url(_console, kept="serve") as url:
        run_server(DatabaseSettings(url=url), _console, host=host, port=port)


@contextmanager
def _in_words() -> Iterator[None]:
    """Say what is wrong in a sentence and exit with 2; a traceback helps nobody who pasted a URL."""
    try:
        yield
    except (DataAccessError, EmbeddedPostgresError, ValidationError) as error:
        _console.print(f"[bold red]{type(error).__name__}[/]: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(getattr(error, "exit_status", 2)) from None
