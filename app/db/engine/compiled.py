"""A query as the driver takes it."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy.sql import ClauseElement

from app.db.engine.dialect import LeanDialect
from app.db.errors import InvalidInputError
from app.db.query import Query

_dialect: Final = cache(LeanDialect)


class CompiledQuery(NamedTuple):
    """The SQL of a query, and how its parameters are numbered there."""

    sql: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    def arguments(self, parameters: Mapping[str, Any]) -> list[Any]:
        """Return the values in the order of `sql`; raises `InvalidInputError` for one that is missing."""
        values = {**self.constants, **parameters} if self.constants else parameters
        try:
            return [values[name] for name in self.names]
        except KeyError as missing:
            raise InvalidInputError(f"A value is required for bind parameter {missing}") from None


@cache
def compiled(query: Query[Any], *, row_level_security: bool = False, sharded: bool = False) -> CompiledQuery:
    """Return the query in SQL, written once.

    For row-level security it also names its user to the server, for a sharded database its shard.

    Its types must be such that the driver takes and gives the values as they are: no SQLAlchemy type converts here.
    """
    statement = query.statement_for(sharded=sharded)
    assert isinstance(statement, ClauseElement)
    written: Any = statement.compile(dialect=_dialect(row_level_security=row_level_security, sharded=sharded))
    return CompiledQuery(
        sql=written.string,
        names=tuple(written.positiontup or ()),
        constants={name: bind.value for name, bind in written.binds.items() if not bind.required},
    )
