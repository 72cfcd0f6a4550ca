"""The commands of ``python -m app``."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from app.cli.demo import demo as run_demo
from app.cli.server import database_url
from app.db import DatabaseSettings
from app.db.embedded import EmbeddedPostgresError
from app.db.errors import DataAccessError

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


@contextmanager
def _in_words() -> Iterator[None]:
    """Say what is wrong in a sentence and exit with 2; a traceback helps nobody who pasted a URL."""
    try:
        yield
    except (DataAccessError, EmbeddedPostgresError, ValidationError) as error:
        _console.print(f"[bold red]{type(error).__name__}[/]: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None
