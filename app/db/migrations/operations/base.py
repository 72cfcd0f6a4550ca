"""What the operations share: each is one statement, and one call in the revision that autogenerate writes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any, Final, NamedTuple

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import postgresql

MODULE: Final = "app.db.migrations"
"""The module from which revisions import the functions."""
_PREPARER: Final = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are not typed

OFFLINE: Final[dict[str, Any]] = {"dialect_name": "postgresql", "dialect_opts": {"paramstyle": "named"}}
"""How SQL is written without a database; the style of most drivers would double each percent sign."""

MISSING: Final = "missing"
EXTRA: Final = "not in the models"
CHANGED: Final = "different from the models"


class Words(NamedTuple):
    """The parts of a sentence: the `kind` `name` of `table` is `state`."""

    kind: str
    table: str | None
    name: str
    state: str


@dataclass(eq=False)
class SqlOperation(MigrateOperation):
    """One statement, which autogenerate writes into a revision as `call`, Python source."""

    call: str
    sql: str
    words: Words
    """What is wrong with a database that needs it."""
    undo: Callable[[], MigrateOperation]
    alone: bool = False
    """Whether no other statement of its transaction may use what it makes."""

    def reverse(self) -> MigrateOperation:
        """Return the operation that undoes this one."""
        return self.undo()

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what `alembic check` prints."""
        return (self.call,)


def plain_sql(statement: str, *, undo: str, what: str) -> SqlOperation:
    """Return a statement that is written into the revision unchanged, and is undone by another."""
    written = escaped(statement.strip())
    source = repr(written) if "\\" in written or '"""' in written else f'"""\n{written}\n"""'
    words = Words("function", None, what, f"{MISSING} or {CHANGED}")
    return SqlOperation(
        f"op.execute({source})", statement, words, undo=lambda: plain_sql(undo, undo=statement, what=what)
    )


@Operations.implementation_for(SqlOperation)
def _run(operations: Operations, operation: SqlOperation) -> None:
    operations.execute(escaped(operation.sql))


@renderers.dispatch_for(SqlOperation)
def _render(context: AutogenContext, operation: SqlOperation) -> str:
    called = operation.call.partition("(")[0]
    if not called.startswith("op."):
        context.imports.add(f"from {MODULE} import {called}")
    return operation.call


def sql_of(operation: MigrateOperation) -> str:
    """Return the SQL of any operation."""
    output = StringIO()
    options = {"as_sql": True, "output_buffer": output, "literal_binds": True}
    Operations(MigrationContext.configure(**OFFLINE, opts=options)).invoke(operation)
    return output.getvalue().strip()


def escaped(statement: str) -> str:
    """Return the statement escaped for Alembic, which reads a colon before a word as a parameter."""
    return re.sub(r"(?<![:\\]):(?=\w)", r"\:", statement)


def quoted(name: str) -> str:
    """Return an identifier as written in SQL."""
    return str(_PREPARER.quote(name))


def literal(value: str) -> str:
    """Return a string as written in SQL."""
    return "'" + value.replace("'", "''") + "'"
