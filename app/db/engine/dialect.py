"""SQLAlchemy's asyncpg dialect on the layer's own pool, without the queries it sends on each new connection."""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection, PGDialect_asyncpg
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from app.db.driver.cancellation import cancel_and_close, uninterrupted
from app.db.engine.observed import observed
from app.db.engine.reflection import CatalogCompiler
from app.db.pool.connection import PooledConnection
from app.db.pool.pool import Pool
from app.db.query import QUERY
from app.db.telemetry.execution import Reports

NAME = "postgresql.asyncpg_lean"
_VIRTUAL_COLUMNS_SINCE = 18


class LeanDialect(PGDialect_asyncpg):
    """Knows the server from its greeting, and sends nothing to ask.

    SQLAlchemy sends five queries on an engine's first connection and installs two JSON codecs on every one. The
    greeting carries the version already; JSON is decoded by SQLAlchemy's own type instead of by the driver's codec.
    """

    supports_statement_cache = True
    statement_compiler = CatalogCompiler
    supports_native_json_deserialization = False
    dialect_injects_custom_json_deserializer = False

    default_schema_name = "public"
    default_isolation_level = "READ COMMITTED"
    _backslash_escapes = False
    _supports_jsonb_subscripting = True

    # Positional, since SQLAlchemy looks for the names of a dialect's arguments there.
    def __init__(
        self,
        pooled: bool = False,  # noqa: FBT001, FBT002 - see above
        layers_pool: Pool | None = None,
        reports: Reports = (),
        row_level_security: bool = False,  # noqa: FBT001, FBT002 - likewise
        sharded: bool = False,  # noqa: FBT001, FBT002 - likewise
        **more: Any,
    ) -> None:
        super().__init__(**more)  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are not typed
        self.row_level_security = row_level_security
        self.sharded = sharded
        self._pooled = pooled
        self._pool = layers_pool
        self._reports = reports

    def initialize(self, connection: Connection) -> None:
        """Take the server's version from the driver; the other answers are constants for PostgreSQL 14 to 18."""
        driver: Any = connection.connection.driver_connection
        version = driver.get_server_version()
        self.server_version_info = (version.major, version.minor)
        self.supports_virtual_generated_columns = version.major >= _VIRTUAL_COLUMNS_SINCE

    def check_out(self) -> AsyncAdapt_asyncpg_connection:
        """Queue for a connection of the pool and return SQLAlchemy's view of it, with what it has prepared."""
        assert self._pool is not None
        connection = await_only(self._pool.acquire())
        if connection.adapted is None:
            connection.adapted = AsyncAdapt_asyncpg_connection(self.loaded_dbapi, connection.driver)  # type: ignore[no-untyped-call]  # as above
        adapted: AsyncAdapt_asyncpg_connection = connection.adapted
        return adapted

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back; a transaction of a loop that is gone has ended with its connection."""
        if not self._is_left_over(dbapi_connection):
            super().do_rollback(dbapi_connection)  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are not typed

    def do_close(self, dbapi_connection: Any) -> None:
        """Give the connection back to the pool."""
        if self._pool is None:
            super().do_close(dbapi_connection)  # type: ignore[no-untyped-call]  # as above
            return
        connection = self._find(dbapi_connection)
        if connection is not None:
            self._pool.release(connection)

    def do_terminate(self, dbapi_connection: Any) -> None:
        """End what still runs on the server, too; outside a greenlet (garbage collection) close only the socket."""
        if self._is_left_over(dbapi_connection):
            return
        try:
            if in_greenlet():
                await_only(uninterrupted(cancel_and_close(dbapi_connection.driver_connection)))
            else:
                dbapi_connection.driver_connection.terminate()
        finally:  # a caller cancelled meanwhile: SQLAlchemy forgets the connection even so
            connection = self._find(dbapi_connection)
            if connection is not None and self._pool is not None:
                self._pool.discard(connection)

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Execute; measured here and not in a listener, since one on the engine costs each call 40 µs."""
        query = context.execution_options.get(QUERY) if context else None
        if self._pooled and not (query and query.pinned):
            # Through a pooler nothing tells the driver that a column was retyped, and it would decode the new type as
            # the old one. A statement that does not pin its types is prepared anew: a second round trip, never a wrong
            # value.
            cursor._adapt_connection._prepared_statement_cache.pop(statement, None)  # noqa: SLF001 - SQLAlchemy's own
        self._observe(super().do_execute, cursor, statement, parameters, context)

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Execute once for each of the parameters."""
        self._observe(super().do_executemany, cursor, statement, parameters, context)

    def _observe(
        self, execute: Callable[..., None], cursor: Any, statement: str, parameters: Any, context: Any
    ) -> None:
        connection = self._find(context.root_connection.connection) if context else None
        if connection is None:  # SQLAlchemy is setting it up, or the engine has no pool of ours
            execute(cursor, statement, parameters, context)
            return
        holder = connection.holder
        holder.running = True
        try:
            if self._reports:
                with observed(self._reports, _name(statement, context), holder) as execution:
                    execute(cursor, statement, parameters, context)
                    execution.rows = max(cursor.rowcount, 0)
            else:
                execute(cursor, statement, parameters, context)
        finally:
            holder.running, holder.ended = False, time.monotonic()

    def _find(self, dbapi_connection: Any) -> PooledConnection | None:
        return self._pool.find(dbapi_connection.driver_connection) if self._pool is not None else None

    def _is_left_over(self, dbapi_connection: Any) -> bool:
        """Return whether the connection was opened in a loop or process that is gone, so that nothing can be sent."""
        return self._pool is not None and self._find(dbapi_connection) is None

    def reset_isolation_level(self, dbapi_connection: Any) -> None:
        """Go back to what the server's own settings say, instead of naming READ COMMITTED in each BEGIN."""
        dbapi_connection.set_isolation_level(None)

    def on_connect(self) -> None:
        """Install nothing."""
        return


def _name(statement: str, context: Any) -> str:
    """Return the name of our query; what is not one is known by its first word: its text is private."""
    query = context.execution_options.get(QUERY)
    return str(query.name) if query else statement.split(maxsplit=1)[0].lower()


def register() -> None:
    """Make the dialect known to SQLAlchemy by its name; loaded only when an engine is created."""
    registry.register(NAME, __name__, LeanDialect.__name__)
