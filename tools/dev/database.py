"""The database for development: DATABASE_URL, or a private PostgreSQL whose data is kept.

python -m tools.dev.database start
python -m tools.dev.database migrate
python -m tools.dev.database revision "add the due date"
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from rich.console import Console

from app.embedded import EmbeddedPostgres, EmbeddedPostgresError
from app.embedded.development import database_url, development_folder, given_url

_ALEMBIC: Final = (sys.executable, "-m", "alembic")
_console: Final = Console(soft_wrap=True, highlight=False)


def start() -> int:
    """Run the private PostgreSQL until Ctrl-C or SIGTERM and print how to reach it."""
    for asked in (signal.SIGINT, signal.SIGTERM):  # a shell has what it starts in the background ignore the first
        signal.signal(asked, signal.default_int_handler)
    with suppress(KeyboardInterrupt), EmbeddedPostgres(development_folder()) as server:
        _console.print(f"a private PostgreSQL until Ctrl-C; its data stays in {server.data_folder}")
        _console.print(f"export DATABASE_URL='{server.url()}'", style="bold")
        _console.print(f"{server.bin_folder / 'psql'} '{server.url()}'")
        if given_url() is None:
            _console.print("make migrate, make revision and make serve use it as it is: DATABASE_URL is not set")
        else:
            _console.print("make migrate, make revision and make serve use another one: DATABASE_URL is set")
        signal.pause()
    return 0


def migrate() -> int:
    """Run ``alembic upgrade head``."""
    with database_url(kept=True) as (url, name):
        _console.print(f"database: {name}")
        return _alembic(url, "upgrade", "head")


def revision(message: str) -> int:
    """Write a revision from the models; autogenerate needs head, so the private PostgreSQL is upgraded first."""
    if not message.strip():
        sys.exit('Say what the revision does: make revision m="add the due date"')
    private = given_url() is None
    with database_url(kept=True) as (url, name):
        _console.print(f"database: {name}")
        behind = _alembic(url, "upgrade", "head") if private else 0
        return behind or _alembic(url, "revision", "--autogenerate", "-m", message)


def _alembic(url: str, *arguments: str) -> int:
    private = {} if given_url() else {"DATABASE_URL": url, "DATABASE_DIRECT_URL": ""}
    return subprocess.run([*_ALEMBIC, *arguments], env={**os.environ, **private}, check=False).returncode


def main(command: str, message: str = "") -> int:
    """Run one of the commands and return its exit status."""
    commands: dict[str, Callable[[], int]] = {
        "start": start,
        "migrate": migrate,
        "revision": partial(revision, message),
    }
    try:
        return commands[command]()
    except EmbeddedPostgresError as error:
        _console.print(f"error: {error}", style="red")
        return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
