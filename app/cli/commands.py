"""The commands of ``python -m app``."""

import asyncio
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from app.cli.demo import demo as run_demo
from app.cli.doctor import doctor as run_doctor
from app.cli.errors import end, errors_in_a_sentence
from app.cli.keys import prune as run_prune
from app.cli.serve import serve as run_server
from app.cli.user import erase as run_erase
from app.cli.user import export as run_export
from app.cli.user import restore as run_import
from app.db import DatabaseSettings
from app.db.access import Roles, give_rights, switch_off, switch_on
from app.db.migrations import current, upgrade
from app.db.migrations.log import STEPS, log_steps_only
from app.db.migrations.sharding import distribute as run_distribution
from app.embedded.development import database_url
from app.repositories import routines

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,  # its tracebacks show values, and messages are private
    help="An async data-access layer on PostgreSQL. The database is DATABASE_URL, from the environment or .env.",
)
_keys = typer.Typer(no_args_is_help=True, help="Idempotency keys.")
app.add_typer(_keys, name="keys")
_user = typer.Typer(no_args_is_help=True, help="Everything that one user has.")
app.add_typer(_user, name="user")
_UserId = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]
_console = Console()


@app.callback()
def _main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # not every locale has the ellipsis of a shortened statement


@app.command()
def demo() -> None:
    """Show every promise at work: statement, round trips and index of each step. Exit status 1 if one is broken.

    Without DATABASE_URL a private PostgreSQL is started and removed at the end. With it, the demo deletes
    the rows that it wrote for its own users at the end.
    """
    with errors_in_a_sentence(), _database() as url:
        as_promised = asyncio.run(run_demo(DatabaseSettings(url=url), _console))
    raise typer.Exit(0 if as_promised else 1)


@app.command()
def doctor(
    url: Annotated[
        list[str] | None, typer.Argument(help="The database; default: DATABASE_URL, which `ps` does not show.")
    ] = None,
    *,
    instances: Annotated[int, typer.Option(min=1, help="How many processes of the application run.")] = 1,
    write: Annotated[
        bool, typer.Option("--write", help="Also run the checks that write, in a scratch schema; 3 to 30 s.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for programs; its keys and check names are stable.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show every finding, also the ok ones.")] = False,
) -> None:
    """Check whether a database is secure, near, large enough and migrated, and keeps every promise.

    It only reads: the server itself refuses writes in its transactions. It shows no password. With --write it creates
    a schema, tries in it what reading cannot show, and drops it at the end, also when interrupted; if the doctor was
    killed, the next --write drops it.

    Each finding is ok, note, warning or error; a problem comes with what to do about it.

    Exit status: 0 all is well, 1 warnings, 2 errors (or a wrong command line), 3 no connection, 130 interrupted.
    """
    with errors_in_a_sentence():
        status = run_doctor(url or [], _console, instances=instances, write=write, as_json=as_json, verbose=verbose)
    raise typer.Exit(status)


@app.command()
def migrate(revision: Annotated[str, typer.Argument(help="The target; default: the newest.")] = "head") -> None:
    """Upgrade DATABASE_URL to a revision, on its direct host; safe to run at any time from many places at once.

    A database that is at the revision already costs one SELECT. The way back is `alembic downgrade`. Exit status 3 if
    the database is ahead of this code: nothing was changed.
    """
    logging.basicConfig(format="%(message)s")
    STEPS.setLevel(logging.INFO)
    log_steps_only()
    with errors_in_a_sentence():
        settings = DatabaseSettings()
        asyncio.run(upgrade(settings, revision))
        _console.print(f"at revision [bold]{asyncio.run(current(settings))}[/]")


@app.command()
def roles(
    application: Annotated[str, typer.Option(help="The role of the application: it reads and writes rows.")] = "app",
    reader: Annotated[str, typer.Option(help="The role that only reads.")] = "app_reader",
) -> None:
    """Grant the application and the reader exactly their rights; run it as the owner, after each migration.

    A missing role is created without a password: set one by alter role. Uses DATABASE_DIRECT_URL
    if it is set.
    """
    with errors_in_a_sentence():
        _print(asyncio.run(give_rights(DatabaseSettings(), Roles(application, reader))))


@app.command()
def rls(state: Annotated[Literal["on", "off"], typer.Argument(help="on or off.")]) -> None:
    """Switch row-level security, a second defence between users; run it as the owner, `on` after each migration too.

    The application must run with DATABASE_ROW_LEVEL_SECURITY=true as long as it is on.
    """
    with errors_in_a_sentence():
        switch = switch_on if state == "on" else switch_off
        _print(asyncio.run(switch(DatabaseSettings())))


@app.command()
def distribute(
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Take the tables back to one server.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "--sql", help="Print the SQL that remains, change nothing.")
    ] = False,
) -> None:
    """Shard the tables by user with Citus; run it as the owner, and again after a revision.

    The application must run with DATABASE_SHARDED=true. The tables are locked until it is done; killed at any moment,
    it did nothing or everything. Grants on the tables end with --undo: run `roles` again.
    """
    with errors_in_a_sentence():
        _print(asyncio.run(run_distribution(DatabaseSettings(), routines(), undo=undo, dry_run=dry_run)))


@_keys.command()
def prune(
    days: Annotated[
        int, typer.Option(min=1, max=36_500, help="Keep the keys of rows younger than this many days.")
    ] = 7,
) -> None:
    """Remove the idempotency keys of old rows, in batches; the rows stay. A later repeat is a new call.

    Run it each day. Uses DATABASE_DIRECT_URL if it is set; with row-level security it needs BYPASSRLS.
    """
    with errors_in_a_sentence():
        run_prune(_console, days=days)


@_user.command()
def export(
    user_id: _UserId,
    output: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="The file to write; interrupted, the same command goes on. Default: stdout."),
    ] = None,
) -> None:
    """Write everything of the user, as lines of JSON, whatever its size, while the user may go on working."""
    with errors_in_a_sentence():
        run_export(_console, user_id, file=output)


@_user.command()
def erase(
    user_id: _UserId,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete everything of the user, in steps that keep nobody waiting, and prove that nothing is left.

    Interrupted, the same command goes on. End the user's access first.
    """
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Delete everything of {user_id}? There is no way back")):
        end("nothing was deleted: confirm it, or say --yes", 1)
    with errors_in_a_sentence():
        run_erase(_console, user_id)


@_user.command("import")
def import_(
    user_id: _UserId,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="An export, of any user.")],
) -> None:
    """Give a user that has nothing the rows of an export, with their times and order and with new ids.

    The file is checked to its end first. Interrupted, the same command goes on.
    """
    with errors_in_a_sentence():
        run_import(_console, user_id, file=file)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 is any that is free.", min=0, max=65535)] = 8000,
) -> None:
    """Serve the API for development, on DATABASE_URL or a private PostgreSQL whose data is kept; Ctrl-C ends it.

    It issues a token to every client that asks, with a new secret at each start, so it answers this machine only. In
    production run `python -m app.api` with API_* and DATABASE_* set.
    """
    with errors_in_a_sentence(), _database(kept=True) as url:
        run_server(DatabaseSettings(url=url), _console, host=host, port=port)


def _print(statements: Iterable[str]) -> None:
    for statement in statements:
        _console.print(f"{statement};", highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _database(*, kept: bool = False) -> Iterator[str]:
    with database_url(kept=kept) as (url, name):
        _console.print(f"database: {name}", soft_wrap=True)
        yield url
