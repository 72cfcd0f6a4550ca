"""Run an Alembic command on the database: read the version, take the lock, retry each revision that gets no lock."""

import logging
from functools import partial, wraps
from typing import Any, Final, NamedTuple

from alembic import context
from alembic.runtime.migration import MigrationStep
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only, greenlet_spawn

from app.db.driver.retry import until_unlocked
from app.db.engine.translation import translating
from app.db.migrations.autogenerate import OPTIONS
from app.db.migrations.confirmation import confirm
from app.db.migrations.implementation import Implementation
from app.db.migrations.lock import lock_until_commit, migration_lock
from app.db.migrations.operations.base import OFFLINE
from app.db.migrations.refusals import translating_with_remedies
from app.db.migrations.version import refuse_strangers, version_of
from app.db.revisions import DEFAULT_VERSION_TABLE
from app.db.target.settings import DatabaseSettings

_log = logging.getLogger(__name__)
# A killed migration must not leave its statement running and its locks held on the server.
_NOTICE_DEATH = text("select set_config('client_connection_check_interval', '1s', false)")

_OPTIONS: Final = {**OPTIONS, "transaction_per_migration": True}
assert Implementation.__dialect__ == "postgresql"  # importing the class registers it


class _Plan(NamedTuple):
    steps: list[MigrationStep]
    options: dict[str, Any]
    """The schema that holds the version table."""


def migrate(connection: Connection, settings: DatabaseSettings) -> None:
    """Run the current Alembic command on `connection`.

    A connection that is in a transaction stays in it: the caller commits, and the caller's timeouts apply.
    Raises `DatabaseAheadError`, `TransientError` for a lock that was not free in time, and Alembic's `CommandError`.
    """
    with translating_with_remedies(settings):
        first = _plan(connection, settings)
        if not first.steps:
            return
        confirm(connection, first.steps)
        if connection.in_transaction():
            lock_until_commit(connection)
            plan = _plan(connection, settings)
            _run(connection, settings, plan, plan.steps)
            return
        with migration_lock(connection, wait_seconds=settings.migration_wait_seconds):
            _notice_death(connection)
            plan = _plan(connection, settings)  # again: the process that held the lock may have done everything
            for step in plan.steps:
                once = partial(greenlet_spawn, _run_translating, connection, settings, plan, [_timed(step, settings)])
                await_only(until_unlocked(once, seconds=settings.migration_wait_seconds))


def print_sql(settings: DatabaseSettings) -> None:
    """Print the SQL of the current command; needs no database."""
    options = {**_OPTIONS, **OFFLINE, "literal_binds": True, "settings": settings}
    options["version_table"] = _version_table()
    context.configure(**options)
    plan = context.get_context().opts["fn"]
    context.configure(**options, fn=lambda *now: [_timed(step, settings) for step in plan(*now)])
    with context.begin_transaction():
        context.run_migrations()


def _plan(connection: Connection, settings: DatabaseSettings) -> _Plan:
    """Return the remaining steps; a command that only reads runs here and has none."""
    in_callers_transaction = connection.in_transaction()
    table = _version_table()
    version = version_of(connection, table)
    elsewhere = refuse_strangers(connection, version, context.script)
    options = {"version_table": table, "version_table_schema": version.here if elsewhere else None}
    _configure(connection, settings, **options)
    migration = context.get_context()
    heads = () if migration.purge or elsewhere else version.heads
    steps = list(migration.opts["fn"](heads, migration))
    if not in_callers_transaction:
        connection.rollback()  # reading began a transaction
    return _Plan(steps, options)


def _version_table() -> str:
    """Return what the command's own alembic.ini says, which may be another than the application's."""
    table: str = context.config.get_main_option("version_table", DEFAULT_VERSION_TABLE)
    return table


def _run_translating(*arguments: Any) -> None:
    with translating():
        _run(*arguments)


def _run(connection: Connection, settings: DatabaseSettings, plan: _Plan, steps: list[MigrationStep]) -> None:
    _configure(connection, settings, fn=lambda *_: steps, **plan.options)
    with context.begin_transaction():
        context.run_migrations()


def _configure(connection: Connection, settings: DatabaseSettings, **more: Any) -> None:
    within = connection.in_transaction()
    context.configure(connection=connection, **_OPTIONS, **more, settings=settings, in_callers_transaction=within)


def _timed(step: MigrationStep, settings: DatabaseSettings) -> MigrationStep:
    """Return the step with the timeouts set at the start of its transaction."""
    run = step.migration_fn

    @wraps(run)  # Alembic logs the name
    def run_timed(**options: Any) -> Any:
        context.execute(f"set local lock_timeout = '{settings.migration_lock_timeout_seconds * 1000:.0f}ms'")
        context.execute(
            f"set local statement_timeout = '{(settings.migration_statement_timeout_seconds or 0) * 1000:.0f}ms'"
        )
        if settings.sharded:  # else Citus refuses the trigger of `updated_at`; elsewhere it means nothing
            context.execute("set local citus.enable_unsafe_triggers = on")
            context.execute("set local citus.multi_shard_modify_mode = 'sequential'")
        return run(**options)

    step.migration_fn = run_timed
    return step


def _notice_death(connection: Connection) -> None:
    try:
        with connection.begin():
            connection.execute(_NOTICE_DEATH)
    except DBAPIError as error:  # not supported on the server's operating system
        _log.info("a migration that is killed may leave its statement running: %s", error.orig)
