"""Compare the texts of check constraints: their names do not show a value added to a list of allowed ones."""

import re
from typing import Any, Final

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import AddConstraintOp, DropConstraintOp, ModifyTableOps
from alembic.util import PriorityDispatchResult
from sqlalchemy import CheckConstraint, Table
from sqlalchemy.dialects import postgresql

_STRING: Final = re.compile(r"'((?:[^']|'')*)'")
_NUMBER: Final = re.compile(r"(?<![\w.'])\d+(?:\.\d+)?(?![\w.])")
_TYPE_LENGTH: Final = re.compile(
    r"\b(varying|character|char|varchar|bit|numeric|decimal|time|timestamp|interval)\s*\([\d, ]+\)", re.IGNORECASE
)
# The server returns `date '2020-1-1'` as '2020-01-01'::date: only the server could compare these.
_TYPED: Final = re.compile(r"\b(date|time|timestamptz?|interval|numeric|jsonb?)\s*'|\d[eE][+-]?\d", re.IGNORECASE)


def compare_checks(
    context: AutogenContext,
    operations: ModifyTableOps,
    _: str | None,
    name: str,
    there: Table | None,
    ours: Table | None,
) -> PriorityDispatchResult:
    """Replace the checks whose constants differ; PostgreSQL rewrites everything else in an expression."""
    if there is None or ours is None:
        return PriorityDispatchResult.CONTINUE
    wanted = {str(check.name): check for check in ours.constraints if isinstance(check, CheckConstraint) and check.name}
    for row in context.inspector.get_check_constraints(name):
        check = wanted.get(str(row["name"]))
        if check is not None and differ(text_of(check.sqltext), row["sqltext"]):
            old = CheckConstraint(row["sqltext"], name=row["name"], table=there)
            operations.ops += [DropConstraintOp.from_constraint(old), AddConstraintOp.from_constraint(check)]
    return PriorityDispatchResult.CONTINUE


def text_of(expression: Any) -> str:
    """Return an expression as SQL, with its constants."""
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are not typed
    compiled: Any = expression.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    return str(compiled)


def differ(wanted: str, there: str) -> bool:
    """Return whether the constants of two expressions differ, as far as they can be compared here."""
    return not _TYPED.search(wanted) and _constants(wanted) != _constants(there)


def _constants(expression: str) -> list[str]:
    rest = _TYPE_LENGTH.sub("", _STRING.sub("''", expression))
    return sorted(text.lstrip("-") for text in (*_STRING.findall(expression), *_NUMBER.findall(rest)))
