"""What ``alembic/env.py`` calls: run the current Alembic command on the named database."""

import asyncio
import logging
import sys
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from app.db.driver.redaction import forget_frames
from app.db.errors import DataAccessError, DatabaseAheadError
from app.db.migrations.connection import Source, connected, settings_of
from app.db.migrations.naming import Named, database_of
from app.db.migrations.steps import migrate, print_sql
from app.db.target.settings import DatabaseSettings

_log = logging.getLogger(__name__)


def run_offline() -> None:
    """Print the SQL instead of running it; needs no database."""
    _forget_repeated_paths()
    print_sql(_timeouts_only())


def run_online() -> None:
    """Migrate the named database; `app.db.migrations.naming` lists the ways to name one."""
    _forget_repeated_paths()
    with _for_the_command_line():
        named = _named()
        if isinstance(named.value, Connection):
            settings = context.config.attributes.get("settings") or settings_of(named.value)
            migrate(named.value, settings or _timeouts_only())
        else:
            _log.info("the database is %s", named)
            _await(_migrate(named.value))


def _named() -> Named:
    try:
        return database_of(context.config, context.get_x_argument(as_dictionary=True))
    except (CommandError, DataAccessError) as error:
        forget_frames(error)  # the frames hold the URLs
        raise


def _forget_repeated_paths() -> None:
    """Remove from `sys.path` the entries that Alembic prepends again for each command in a process."""
    for path in context.config.get_prepend_sys_paths_list() or ():
        if sys.path.count(path) > 1:
            sys.path.remove(path)


async def _migrate(source: Source) -> None:
    async with connected(source) as connection:
        await connection.run_sync(migrate, settings_of(source) or _timeouts_only())


def _timeouts_only() -> DatabaseSettings:
    """Return settings for when there is no URL to connect to."""
    return DatabaseSettings(url="postgresql:///nowhere")


def _await(work: Coroutine[Any, Any, None]) -> None:
    """Wait for `work`, whether or not Alembic's synchronous command was called inside an event loop."""
    if in_greenlet():
        await_only(work)
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
    else:  # a running loop cannot wait here: use another loop, in a thread
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, work).result()


@contextmanager
def _for_the_command_line() -> Iterator[None]:
    """Print an error as one sentence under the `alembic` command; elsewhere raise it unchanged."""
    try:
        yield
    except DataAccessError as error:
        if context.config.cmd_opts is None:
            raise
        if isinstance(error, DatabaseAheadError):
            print(f"FAILED: {error}", file=sys.stderr)  # noqa: T201 - Alembic would exit with 255
            raise SystemExit(error.exit_status) from None
        raise CommandError(str(error)) from None
