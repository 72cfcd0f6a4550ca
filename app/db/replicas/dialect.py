"""SQLAlchemy's side: what sessions and plain statements write counts, too."""

import time
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.dialects import registry
from sqlalchemy.sql.selectable import CompoundSelect, Select, SelectBase
from sqlalchemy.util import await_only

from app.db.driver.sqlstates import DRIVER_ERRORS, translate_driver
from app.db.engine.dialect import LeanDialect
from app.db.engine.sessions import SET_USER
from app.db.errors import DataAccessError, OutcomeUnknownError, TransientError
from app.db.query import QUERY, WhenLost
from app.db.replicas.identity import SERVER
from app.db.replicas.mark import Stamp
from app.db.replicas.writes import EVERYBODY, USER, Writes

NAME: Final = "postgresql.asyncpg_routed"
_STAMP: Final = f"select cast(cast(pg_catalog.pg_current_xact_id_if_assigned() as text) as bigint), {SERVER}"


@dataclass(slots=True)
class _Transaction:
    """What was executed in a transaction that is not yet committed."""

    users: set[str] = field(default_factory=set)
    """Whose rows our own queries wrote."""
    others: bool = False
    """Whether something else was executed that may write, whose rows is not known."""

    @property
    def concerned(self) -> set[str | None]:
        """Who must see it: everybody, where it is not known whose rows it wrote."""
        return {*self.users, EVERYBODY} if self.others or not self.users else {*self.users}


class RoutedDialect(LeanDialect):
    """Asks each transaction for its id before COMMIT, one round trip more, unless only our own reads ran in it."""

    supports_statement_cache = True

    # Positional, since SQLAlchemy looks for the names of a dialect's arguments there.
    def __init__(self, writes: Writes | None = None, **more: Any) -> None:
        super().__init__(**more)
        assert writes is not None
        self._writes = writes
        self._transactions: dict[Any, _Transaction] = {}

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Execute, and note what it may have written."""
        self._noted(super().do_execute, cursor, statement, parameters, context)

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Execute for each of the parameters, and note that it may have written."""
        self._noted(super().do_executemany, cursor, statement, parameters, context)

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit, and note which users must see the transaction."""
        transaction = self._transactions.pop(dbapi_connection.driver_connection, None)
        stamp = self._stamp(dbapi_connection.driver_connection) if transaction else None
        if transaction is None or stamp is None:
            super().do_commit(dbapi_connection)  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are not typed
            return
        began = time.monotonic()
        try:
            super().do_commit(dbapi_connection)  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are not typed
        except BaseException as error:
            if _may_have_happened(error):
                for user_id in transaction.concerned:
                    self._writes.doubt(user_id, in_flight=True)
            raise
        for user_id in transaction.concerned:
            self._writes.note(user_id, stamp, began=began)

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back."""
        self._transactions.pop(dbapi_connection.driver_connection, None)
        super().do_rollback(dbapi_connection)

    def do_close(self, dbapi_connection: Any) -> None:
        """Give the connection back to the pool."""
        self._transactions.pop(dbapi_connection.driver_connection, None)
        super().do_close(dbapi_connection)

    def do_terminate(self, dbapi_connection: Any) -> None:
        """End what still runs on the server."""
        self._transactions.pop(dbapi_connection.driver_connection, None)
        super().do_terminate(dbapi_connection)

    def _noted(self, execute: Any, cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        query = context.execution_options.get(QUERY) if context else None
        if context is None or (query and query.when_lost is WhenLost.NOT_DONE):
            execute(cursor, statement, parameters, context)
            return
        user_id = _user(context) if query else None
        connection = context.root_connection.connection
        if not connection.dbapi_connection.autocommit:
            self._remember(connection.driver_connection, context, user_id)
            execute(cursor, statement, parameters, context)
        elif _only_selects(context):
            execute(cursor, statement, parameters, context)
        else:
            self._execute_alone(execute, cursor, statement, parameters, context, user_id)

    def _remember(self, driver: Any, context: Any, user_id: str | None) -> None:
        transaction = self._transactions.setdefault(driver, _Transaction())
        if user_id is not None:
            transaction.users.add(user_id)
        elif not _only_selects(context):
            transaction.others = True

    def _execute_alone(
        self, execute: Any, cursor: Any, statement: str, parameters: Any, context: Any, user_id: str | None
    ) -> None:
        """Execute a statement that is its own transaction, whose id nothing tells."""
        try:
            execute(cursor, statement, parameters, context)
        except BaseException as error:
            if _may_have_happened(error):
                self._writes.doubt(user_id, in_flight=True)
            raise
        self._writes.doubt(user_id)

    def _stamp(self, driver: Any) -> Stamp | None:
        try:
            xid, server = await_only(driver.fetchrow(_STAMP))
        except DRIVER_ERRORS as error:  # nothing is committed yet
            raise translate_driver(error, lost=TransientError) from error
        return None if xid is None else Stamp(xid, server)


def _may_have_happened(error: BaseException) -> bool:
    if isinstance(error, DataAccessError):
        return False
    return isinstance(translate_driver(error, lost=OutcomeUnknownError), OutcomeUnknownError)


def _user(context: Any) -> str | None:
    parameters = context.compiled_parameters
    user_id: str | None = parameters[0].get(USER) if len(parameters) == 1 else None
    return user_id


def _only_selects(context: Any) -> bool:
    """Return whether the statement is a SELECT without a CTE that writes; of a text nothing is known."""
    compiled = context.compiled
    if context.invoked_statement is SET_USER:
        return True
    if compiled is None or not isinstance(compiled.statement, Select | CompoundSelect):
        return False
    return not any(not isinstance(cte.element, SelectBase) for cte in (compiled.ctes or ()))


def routed_dialect(writes: Writes) -> dict[str, Any]:
    """Return what `create_pooled_engine` needs for an engine whose writes are noted."""
    registry.register(NAME, __name__, RoutedDialect.__name__)
    return {"name": NAME, "writes": writes}
