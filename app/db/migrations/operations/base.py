"""What the operations share: each is one statement, and one call in the revision that autogenerate writes."""

import re
from io import StringIO
from typing import Any, ClassVar, Final

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import postgresql

MODULE: Final = "app.db.migrations"
"""The module from which revisions import the functions."""
_PREPARER: Final = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are not typed


class SqlOperation(MigrateOperation):
    """One statement; autogenerate writes it as a call to the function `called`."""

    called: ClassVar[str]

    def sql(self) -> str:
        """Return the statement."""
        raise NotImplementedError

    def arguments(self) -> str:
        """Return the arguments of the call as Python source."""
        raise NotImplementedError

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what `alembic check` prints."""
        return (self.called, self.arguments())


class PlainSql(SqlOperation):
    """A statement that is written into the revision unchanged, and the statement that undoes it."""

    called = "op.execute"

    def __init__(self, statement: str, *, undo: str, what: str) -> None:
        self.statement, self.undo, self.what = statement, undo, what

    def sql(self) -> str:
        """Return the statement."""
        return self.statement

    def arguments(self) -> str:
        """Return a multi-line literal, unless the statement contains something that forbids one."""
        statement = escaped(self.statement.strip())
        return repr(statement) if "\\" in statement or '"""' in statement else f'"""\n{statement}\n"""'

    def reverse(self) -> "PlainSql":
        """Return the operation that undoes this one."""
        return PlainSql(self.undo, undo=self.statement, what=self.what)


@Operations.implementation_for(SqlOperation)
def _run(operations: Operations, operation: SqlOperation) -> None:
    operations.execute(escaped(operation.sql()))


@renderers.dispatch_for(SqlOperation)
def _render(context: AutogenContext, operation: SqlOperation) -> str:
    if not operation.called.startswith("op."):
        context.imports.add(f"from {MODULE} import {operation.called}")
    return f"{operation.called}({operation.arguments()})"


def sql_of(operation: MigrateOperation) -> str:
    """Return the SQL of any operation."""
    output = StringIO()
    options = {"as_sql": True, "output_buffer": output, "literal_binds": True}
    Operations(MigrationContext.configure(dialect_name="postgresql", opts=options)).invoke(operation)
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
