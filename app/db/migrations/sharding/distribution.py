"""Shard a migrated database by user, or take it back to one server: all of it, or nothing."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.driver.retry import until_unlocked
from app.db.migrations.connection import connected, limit_lock_waits
from app.db.migrations.lock import lock_until_commit
from app.db.migrations.operations.base import quoted
from app.db.migrations.refusals import translating_with_remedies
from app.db.migrations.sharding.form import distributed, emptied, taken_back
from app.db.migrations.sharding.refusal import refuse, refuse_without_setting
from app.db.migrations.sharding.state import Sharding, routines_there, sharding_of
from app.db.models.base import owned_tables
from app.db.query import ROUTINE_PREFIX, Routine
from app.db.target.settings import DatabaseSettings

# A client that is killed must not leave its transaction running, and what it holds locked.
_SETTINGS: Final = (
    "set local client_connection_check_interval = '1s'",
    "set local citus.enable_unsafe_triggers = on",
    "set local citus.multi_shard_modify_mode = 'sequential'",
)
Step = Callable[[Connection], list[str]]


class Distribution:
    """What remains to be done on a database, in statements."""

    def __init__(
        self, settings: DatabaseSettings, routines: Sequence[Routine], *, undo: bool = False, dry_run: bool = False
    ) -> None:
        self._settings = settings
        self._routines = routines
        self._undo = undo
        self._dry_run = dry_run

    def functions(self, connection: Connection) -> list[str]:
        """Return the statements that create the functions; with `undo`, that drop them once nobody calls them.

        Raises `ConfigurationError` where the tables could not be sharded afterwards.
        """
        there = routines_there(connection, ROUTINE_PREFIX)
        if self._undo:
            return [] if self._settings.sharded else [f"drop function {quoted(name)}" for name in there]
        if not self._dry_run:
            refuse(sharding_of(connection))
        return [routine.created for routine in self._routines if routine.name not in there]

    def tables(self, connection: Connection) -> list[str]:
        """Return the statements that shard the tables or take them back. Raises `ConfigurationError`."""
        state = sharding_of(connection)
        if not self._dry_run and not (self._undo and not state.sharded):
            refuse(state)
            refuse_without_setting(self._settings)
        return self.of(state)

    def rest(self, connection: Connection) -> list[str]:
        """Return the statements that remove what the entry node no longer needs."""
        if self._undo:
            return []
        left = sharding_of(connection).left_over
        return list(emptied(table for table in owned_tables() if table.name in left))

    def of(self, state: Sharding) -> list[str]:
        """Return the statements of `tables` for a state."""
        if self._undo:
            return list(taken_back([table for table in owned_tables() if table.name in state.sharded], state.schema))
        missing = [table for table in owned_tables() if table.name not in state.sharded]
        return list(distributed(missing, beside=min(state.sharded, default=None)))


async def distribute(
    settings: DatabaseSettings, routines: Sequence[Routine], *, undo: bool = False, dry_run: bool = False
) -> list[str]:
    """Shard the database of `settings`, or take it back, and return the statements that did it, or would.

    The tables are one transaction, in which nobody else reads or writes them: killed at any moment, it did nothing or
    everything. Run again, it does what is missing. Raises `ConfigurationError` where it cannot be done.
    """
    work = Distribution(settings, routines, undo=undo, dry_run=dry_run)
    steps = [work.tables, work.functions] if undo else [work.functions, work.tables, work.rest]
    done: list[str] = []
    async with connected(settings) as connection:
        for step in steps:
            once = partial(_once, connection, settings, step, dry_run=dry_run)
            done += await until_unlocked(once, seconds=settings.migration_wait_seconds)
    return done


async def _once(connection: AsyncConnection, settings: DatabaseSettings, step: Step, *, dry_run: bool) -> list[str]:
    with translating_with_remedies(settings):
        async with connection.begin():
            await limit_lock_waits(connection, settings)
            await connection.run_sync(lock_until_commit)
            for setting in _SETTINGS:
                await connection.exec_driver_sql(setting)
            statements = await connection.run_sync(step)
            for statement in () if dry_run else statements:
                await connection.exec_driver_sql(statement)
    return statements
