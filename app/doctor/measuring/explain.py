"""Explain how PostgreSQL runs a statement."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from sqlalchemy import Executable, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement

from app.db.engine.translation import translating
from app.db.errors import InvalidInputError

Node = Mapping[str, Any]
_SHARD: Final = re.compile(r"_\d+$")


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement's plan; what only execution shows is None unless it was explained with ``analyze=True``."""

    nodes: tuple[str, ...]
    """The types of its nodes, outermost first: ``("Limit", "Index Scan")``."""
    indexes: tuple[str, ...]
    """The names of the indexes used, in the order of `nodes`."""
    scanned: tuple[str, ...] = ()
    """The names of the tables that are read sequentially, in the order of `nodes`."""
    rows_read: int | None = None
    """Rows and index entries read, filtered ones included; approximate, from PostgreSQL's rounded mean per loop."""
    buffers: int | None = None
    """Pages of 8 kB requested, whether or not in shared memory."""

    @classmethod
    def of(cls, explained: Node) -> Self:
        """Return the plan from an object in EXPLAIN's JSON."""
        root = explained["Plan"]
        nodes = list(_walk(root))
        shape = cls(
            nodes=tuple(node["Node Type"] for node in nodes),
            indexes=tuple(node["Index Name"] for node in nodes if "Index Name" in node),
            scanned=tuple(node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"),
        )
        if "Execution Time" not in explained:
            return shape
        return replace(
            shape,
            rows_read=round(sum(map(_rows_read, nodes))),
            buffers=root["Shared Hit Blocks"] + root["Shared Read Blocks"],
        )


async def explain(
    connection: AsyncConnection,
    statement: str | Executable,
    parameters: Mapping[str, Any] | None = None,
    *,
    analyze: bool = False,
) -> Plan:
    """Return the plan of `statement`; with `analyze` the statement runs, and its writes are rolled back.

    Only sequences keep their new values. Raises a `DataAccessError`.
    """
    how = "format json, analyze, buffers" if analyze else "format json"
    explained = _Explain(text(statement) if isinstance(statement, str) else statement, how)
    if analyze:
        _refuse_autocommit(connection)
    with translating():
        transaction = await (connection.begin_nested() if connection.in_transaction() else connection.begin())
        try:
            found = (await connection.execute(explained, parameters)).scalar_one()
        finally:
            await transaction.rollback()
    return Plan.of(json.loads(found)[0])


def _refuse_autocommit(connection: AsyncConnection) -> None:
    options = connection.sync_connection.get_execution_options() if connection.sync_connection else {}
    if options.get("isolation_level") == "AUTOCOMMIT":
        raise InvalidInputError("connection: is in AUTOCOMMIT, where a statement that is run cannot be rolled back")


class _Explain(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, statement: Any, how: str) -> None:
        self.statement = statement
        self.how = how


@compiles(_Explain)
def _compile(element: _Explain, compiler: Any, **options: Any) -> str:
    sql = compiler.process(element.statement, **options)
    # The result is a plan, not rows of the table or values of an insert's defaults.
    compiler.isinsert = compiler.isupdate = compiler.isdelete = False
    return f"explain ({element.how}) {sql}"


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in (*node.get("Plans", ()), *_on_shards(node)):
        yield from _walk(child)


def _on_shards(node: Node) -> Iterator[Node]:
    """Yield the plans of the shards that a node of Citus asks, with the names of the tables that are sharded."""
    for task in node.get("Distributed Query", {}).get("Job", {}).get("Tasks", ()):
        for plans in task.get("Remote Plan", ()):
            yield from (_of_the_table(each["Plan"]) for each in plans)


def _of_the_table(node: Node) -> Node:
    names = {key: _SHARD.sub("", node[key]) for key in ("Index Name", "Relation Name") if key in node}
    return {**node, **names, "Plans": [_of_the_table(each) for each in node.get("Plans", ())]}


def _rows_read(node: Node) -> float:
    reads_a_table = node["Node Type"].endswith("Scan") and ("Relation Name" in node or "Index Name" in node)
    if not reads_a_table:
        return 0
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])
