"""Leave alone what the server made for the partitions of a table."""

from typing import Final, TypeGuard

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import DropConstraintOp, MigrateOperation, ModifyTableOps
from alembic.util import PriorityDispatchResult
from sqlalchemy import Table, text

# A foreign key to a partitioned table has a part for each partition, which reflection shows beside it.
_PARTS: Final = text("""
select cast(conname as text) from pg_constraint
where conrelid = cast(to_regclass(quote_ident(:table)) as oid) and conparentid <> cast(0 as oid)""")


def keep_parts(
    context: AutogenContext, operations: ModifyTableOps, _: str | None, name: str, *__: Table | None
) -> PriorityDispatchResult:
    """Remove the drops of parts of foreign keys; asks the server only where a foreign key would be dropped."""
    if any(map(_drops_foreign_key, operations.ops)):
        assert context.connection is not None
        parts = set(context.connection.execute(_PARTS, {"table": name}).scalars())
        operations.ops = [
            each for each in operations.ops if not (_drops_foreign_key(each) and str(each.constraint_name) in parts)
        ]
    return PriorityDispatchResult.CONTINUE


def _drops_foreign_key(operation: MigrateOperation) -> TypeGuard[DropConstraintOp]:
    return isinstance(operation, DropConstraintOp) and operation.constraint_type == "foreignkey"
