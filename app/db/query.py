"""A query as a value: everything that the layer must know of a statement in order to run it."""

from collections.abc import Callable, Iterable
from enum import Enum
from functools import cached_property
from typing import Any, Final, Generic, Protocol, TypeVar

from sqlalchemy import Executable
from sqlalchemy.sql import ClauseElement, visitors
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase, TextualSelect

from app.db.errors import DataAccessError, KeyedOutcomeUnknownError, OutcomeUnknownError, TransientError
from app.db.rows import Decoder, decoder_of

Row = TypeVar("Row")
Record = dict[str, Any]
"""A row by the names of its columns: the row type of a query without a read model."""

_names: set[str] = set()


class WhenLost(Enum):
    """What it means that the connection broke while a query ran: the error that says so, and whether to retry."""

    UNKNOWN = OutcomeUnknownError
    """A write: it may have been committed."""
    NOT_DONE = TransientError
    """A read: to run it again is harmless, and the layer does."""
    KEYED = KeyedOutcomeUnknownError
    """A write with an idempotency key: to run it again is harmless, and the layer does."""

    @property
    def error(self) -> type[DataAccessError]:
        """The class of the error."""
        error: type[DataAccessError] = self.value
        return error


ROUTINE_PREFIX: Final = "sharded_"


class Routine(Protocol):
    """A function in a database that is sharded by user; its name begins with `ROUTINE_PREFIX`."""

    @property
    def name(self) -> str:
        """Its name in the database."""

    @property
    def created(self) -> str:
        """The statement that creates it."""

    @property
    def called(self) -> Executable:
        """The statement that calls it."""


class Query(Generic[Row]):
    """One constant statement, written to SQL once and run by `Database.fetch` or in a session.

    `name` (``tasks.get``) is how telemetry knows it; names are unique in the process. `source` is the statement, or a
    function that builds it when it is first needed. `row` is what each row becomes: a read model, `Record`, or a scalar
    type for the first column. `lost` is `when_lost`, where it is not to be derived. `pinned` says that the statement
    casts each column of its result to its own type: then the prepared statement outlives a change of the table, through
    any pooler. `sharded` makes the function that a database sharded by user has in place of the statement, where it
    needs one. `on_primary` says that no replica may answer it, however much that one has.
    """

    def __init__(
        self,
        name: str,
        source: Executable | Callable[[], Executable],
        row: type[Row],
        lost: WhenLost | None = None,
        *,
        pinned: bool = True,
        sharded: Callable[[], Routine] | None = None,
        on_primary: bool = False,
    ) -> None:
        if name in _names:
            raise ValueError(f"a query named {name} exists already: each needs its own name")
        _names.add(name)
        self.name: Final = name
        self.source: Final = source
        self.row: Final = row
        self.lost: Final = lost
        self.pinned: Final = pinned
        self.sharded: Final = sharded
        self.on_primary: Final = on_primary

    @cached_property
    def statement(self) -> Executable:
        """The statement, built when it is first needed: all of them take a quarter of the layer's own import."""
        return self.source if isinstance(self.source, Executable) else self.source()

    @cached_property
    def when_lost(self) -> WhenLost:
        """What a lost connection means: `NOT_DONE` for a SELECT that changes nothing, else `UNKNOWN`."""
        if self.lost is not None:
            return self.lost
        return WhenLost.NOT_DONE if _only_reads(self.statement) else WhenLost.UNKNOWN

    @cached_property
    def routine(self) -> Routine | None:
        """The function in a database that is sharded by user; made when it is first used."""
        return self.sharded() if self.sharded else None

    def statement_for(self, *, sharded: bool) -> Executable:
        """Return the statement for a database that is, or is not, sharded by user."""
        return self.routine.called if sharded and self.routine else self.statement

    @cached_property
    def decode(self) -> Decoder[Row]:
        """Turn records into rows, all in one call; made when it is first used: no process uses every query."""
        return decoder_of(self.row, self.statement)

    def restated(self, statement: Executable, decode: Decoder[Row]) -> "Query[Row]":
        """Return the same query, of the same name, in another statement that has its rows in it."""
        query = object.__new__(type(self))
        vars(query).update({**vars(self), "statement": statement, "decode": decode})
        return query


def _only_reads(statement: Executable) -> bool:
    """Return whether the statement is a SELECT that writes in no CTE."""
    if not isinstance(statement, SelectBase) or isinstance(statement, TextualSelect):  # a text may say anything
        return False
    parts: Iterable[ClauseElement] = visitors.iterate(statement)  # type: ignore[assignment]  # they are clauses
    return not any(isinstance(part, UpdateBase) for part in parts)


QUERY: Final = "query"
"""The execution option under which a session hands the query itself to the dialect."""
