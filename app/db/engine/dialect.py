"""SQLAlchemy's asyncpg dialect without the questions it asks of each new connection."""

import time
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from app.db.driver.cancellation import hang_up, undisturbed
from app.db.pool.holder import holder_of

NAME = "postgresql.asyncpg_lean"
_VIRTUAL_COLUMNS_SINCE = 18


class LeanDialect(PGDialect_asyncpg):
    """Knows the server from what it says when it greets; asks nothing.

    SQLAlchemy asks five questions on an engine's first connection and installs two JSON codecs on every one. The
    greeting carries the version already; JSON is decoded by SQLAlchemy's own type instead of by the driver's codec.
    """

    supports_statement_cache = True
    supports_native_json_deserialization = False
    dialect_injects_custom_json_deserializer = False

    default_schema_name = "public"
    default_isolation_level = "READ COMMITTED"
    _backslash_escapes = False
    _supports_jsonb_subscripting = True

    def __init__(self, pooled: bool = False, **more: Any) -> None:  # noqa: FBT001, FBT002 - how SQLAlchemy finds it
        super().__init__(**more)  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are not typed
        self._pooled = pooled

    def initialize(self, connection: Connection) -> None:
        """Take the server's version from the driver; the other answers are constants for PostgreSQL 14 to 18."""
        driver: Any = connection.connection.driver_connection
        version = driver.get_server_version()
        self.server_version_info = (version.major, version.minor)
        self.supports_virtual_generated_columns = version.major >= _VIRTUAL_COLUMNS_SINCE

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Execute, and note on the connection's holder that it runs.

        Here, not in a listener: a single one on the engine costs each call 40 µs.
        """
        if self._pooled and not (context and context.execution_options.get("pinned")):
            # Through a pooler nobody tells the driver that a column was retyped, and it would decode the new type as
            # the old one. What does not pin its types is prepared anew: a second round trip, never a wrong value.
            cursor._adapt_connection._prepared_statement_cache.pop(statement, None)  # noqa: SLF001 - SQLAlchemy's own
        holder = holder_of(context)
        if holder is None:
            cursor.execute(statement, parameters)
            return
        holder.running = True
        try:
            cursor.execute(statement, parameters)
        finally:
            holder.running, holder.ended = False, time.monotonic()

    def reset_isolation_level(self, dbapi_connection: Any) -> None:
        """Go back to what the server's own settings say, instead of naming READ COMMITTED in each BEGIN."""
        dbapi_connection.set_isolation_level(None)

    def do_terminate(self, dbapi_connection: Any) -> None:
        """End what still runs on the server, too; where nobody can wait (garbage is collected) only the socket."""
        if in_greenlet():
            await_only(undisturbed(hang_up(dbapi_connection.driver_connection)))
        else:
            dbapi_connection.terminate()

    def on_connect(self) -> None:
        """Install nothing."""
        return


def register() -> None:
    """Make the dialect known to SQLAlchemy by its name; loaded only when an engine is created."""
    registry.register(NAME, __name__, LeanDialect.__name__)
