"""What an Alembic command does to the database: one look, one lock, each revision until it gets its locks."""

import logging
from functools import partial, wraps
from typing import Any, Final

from alembic import context
from alembic.runtime.migration import MigrationStep
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only, greenlet_spawn

from app.db.driver.retry import until_unlocked
from app.db.driver.sqlstates import sqlstate_of
from app.db.engine.translation import translating
from app.db.errors import DatabaseAheadError
from app.db.migrations.autogenerate import OPTIONS
from app.db.migrations.lock import lock_until_commit, migration_lock
from app.db.target.settings import DatabaseSettings

_log = logging.getLogger(__name__)
_NO_SUCH_TABLE = "42P01"
_HEADS = text("select version_num from alembic_version")
# A migration that is killed must not leave its statement running, and its locks held, on the server.
_NOTICE_DEATH = text("select set_config('client_connection_check_interval', '1s', false)")

_OPTIONS: Final = {**OPTIONS, "transaction_per_migration": True}


def migrate(connection: Connection, settings: DatabaseSettings) -> None:
    """Do what the Alembic command under way asks.

    A connection that is in a transaction stays in it: the caller commits, and the timeouts are the caller's.
    Raises `DatabaseAheadError`, `TransientError` for a lock that did not come free, and Alembic's `CommandError`.
    """
    with translating():
        if not _plan(connection, settings):
            return
        if connection.in_transaction():
            lock_until_commit(connection)
            _run(connection, settings, _plan(connection, settings))
            return
        with migration_lock(connection, wait_seconds=settings.migration_wait_seconds):
            _notice_death(connection)
            for step in _plan(connection, settings):  # again: whoever had the lock may have done it all
                once = partial(greenlet_spawn, _run_translating, connection, settings, [_timed(step, settings)])
                await_only(until_unlocked(once, seconds=settings.migration_wait_seconds))


def print_sql(settings: DatabaseSettings) -> None:
    """Print the SQL of the command under way; needs no database."""
    options = {**_OPTIONS, "dialect_name": "postgresql", "literal_binds": True, "settings": settings}
    context.configure(**options)
    plan = context.get_context().opts["fn"]
    context.configure(**options, fn=lambda *now: [_timed(step, settings) for step in plan(*now)])
    with context.begin_transaction():
        context.run_migrations()


def heads_of(connection: Connection) -> tuple[str, ...]:
    """Return the revisions that the database is at, in one statement."""
    begin = connection.begin_nested if connection.in_transaction() else connection.begin
    try:
        with begin():
            return tuple(connection.execute(_HEADS).scalars())
    except DBAPIError as error:
        if sqlstate_of(error) != _NO_SUCH_TABLE:
            raise
        return ()


def _plan(connection: Connection, settings: DatabaseSettings) -> list[MigrationStep]:
    """Return the steps that are left to do; a command that only looks does so here, and has none."""
    in_callers_transaction = connection.in_transaction()
    _configure(connection, settings)
    migration = context.get_context()
    heads = () if migration.purge else heads_of(connection)
    _refuse_unknown(heads)
    steps = list(migration.opts["fn"](heads, migration))
    if not in_callers_transaction:
        connection.rollback()  # looking began a transaction
    return steps


def _refuse_unknown(heads: tuple[str, ...]) -> None:
    known = {revision.revision for revision in context.script.walk_revisions()}
    for head in heads:
        if head not in known:
            raise DatabaseAheadError(
                f"the database is at revision {head}, which this code does not know: newer code has migrated it. "
                "Nothing was changed. Deploy the code that has this revision, or downgrade with it first"
            )


def _run_translating(connection: Connection, settings: DatabaseSettings, steps: list[MigrationStep]) -> None:
    with translating():
        _run(connection, settings, steps)


def _run(connection: Connection, settings: DatabaseSettings, steps: list[MigrationStep]) -> None:
    _configure(connection, settings, fn=lambda *_: steps)
    with context.begin_transaction():
        context.run_migrations()


def _configure(connection: Connection, settings: DatabaseSettings, **more: Any) -> None:
    within = connection.in_transaction()
    context.configure(connection=connection, **_OPTIONS, **more, settings=settings, in_callers_transaction=within)


def _timed(step: MigrationStep, settings: DatabaseSettings) -> MigrationStep:
    """Return the step with the timeouts set as its transaction begins."""
    run = step.migration_fn

    @wraps(run)  # Alembic logs its name
    def run_timed(**options: Any) -> Any:
        context.execute(f"set local lock_timeout = '{settings.migration_lock_timeout_seconds * 1000:.0f}ms'")
        context.execute(
            f"set local statement_timeout = '{(settings.migration_statement_timeout_seconds or 0) * 1000:.0f}ms'"
        )
        return run(**options)

    step.migration_fn = run_timed
    return step


def _notice_death(connection: Connection) -> None:
    try:
        with connection.begin():
            connection.execute(_NOTICE_DEATH)
    except DBAPIError as error:  # the server's system cannot tell
        _log.info("a migration that is killed may leave its statement running: %s", error.orig)
