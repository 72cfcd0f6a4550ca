"""The tables that autogenerate may compare: other applications may have theirs in the same database."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from alembic.operations import MigrateOperation
from alembic.operations.ops import DropTableOp
from alembic.script import ScriptDirectory

from app.db.migrations.history import own_config
from app.db.models import metadata


def is_ours(name: str | None, kind: str, _: Mapping[str, str | None]) -> bool:
    """Return whether Alembic may compare the object: of tables, those of the models, and what is left of them."""
    return kind != "table" or name in metadata.tables or name in _made()


def dropped_tables(operations: Iterable[MigrateOperation]) -> list[str]:
    """Return the tables that these operations drop."""
    return [each.table_name for each in operations if isinstance(each, DropTableOp)]


@cache
def _made() -> frozenset[str]:
    """Return the tables that our revisions have made and not dropped: without a model, they are left to be dropped."""
    names: set[str] = set()
    history = list(ScriptDirectory.from_config(own_config()).walk_revisions())
    for revision in reversed(history):
        for done, table in _changes(Path(revision.path)):
            (names.add if done == "create_table" else names.discard)(table)
    return frozenset(names)


def _changes(revision: Path) -> Iterator[tuple[str, str]]:
    """Yield each table that the upgrade creates or drops."""
    functions = [node for node in ast.parse(revision.read_text()).body if isinstance(node, ast.FunctionDef)]
    for upgrade in (function for function in functions if function.name == "upgrade"):
        calls = [node for node in ast.walk(upgrade) if isinstance(node, ast.Call)]
        for call in sorted(calls, key=lambda node: node.lineno):
            match call:
                case ast.Call(func=ast.Attribute(attr=("create_table" | "drop_table") as done), args=[first, *_]):
                    if isinstance(first, ast.Constant):
                        yield done, str(first.value)
