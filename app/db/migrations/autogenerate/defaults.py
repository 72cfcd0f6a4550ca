"""Compare the defaults of json columns as text: Alembic compares on the server, and json has no equality operator."""

from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import AlterColumnOp
from alembic.util import PriorityDispatchResult
from sqlalchemy import ARRAY, JSON, Column, DefaultClause
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine


def compare_json_default(
    _: AutogenContext,
    operation: AlterColumnOp,
    __: str | None,
    ___: str,
    ____: str,
    there: Column[Any],
    ours: Column[Any],
) -> PriorityDispatchResult:
    """Set the default where it differs; leave every other type to Alembic."""
    if not _is_json(ours.type):
        return PriorityDispatchResult.CONTINUE
    operation.existing_server_default = there.server_default
    if _text(there.server_default) != _text(ours.server_default):
        operation.modify_server_default = ours.server_default
    return PriorityDispatchResult.STOP


def _is_json(kind: TypeEngine[Any]) -> bool:
    items = kind.item_type if isinstance(kind, ARRAY) else kind
    return isinstance(items, JSON) and not isinstance(items, JSONB)


def _text(default: Any) -> str | None:
    """Return the constant itself, as in ``'{}'::json``."""
    if not isinstance(default, DefaultClause):
        return None
    written = str(getattr(default.arg, "text", default.arg))
    return written.partition("::")[0].strip("'")
