"""Rules for every statement of every repository."""

import re
from typing import Any

import pytest
from sqlalchemy import (
    Cast,
    Column,
    CompoundSelect,
    Delete,
    Exists,
    Join,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    cast,
    or_,
    select,
)
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, BooleanClauseList, ColumnClause

from app.db.models import Task
from app.db.models.base import table_of
from app.repositories import entities
from app.repositories.owner import owned, owner
from tests.support.statements import all_statements, user_data_queries

task = table_of(Task).c
OWNED = owned(table_of(Task))
STATEMENTS = all_statements() | {query.name: query.statement for query in user_data_queries()}
READ_MODELS = [list(entity.read.model_fields) for entity in entities().values()]


@pytest.fixture(params=list(STATEMENTS.values()), ids=list(STATEMENTS))
def statement(request: pytest.FixtureRequest) -> Any:
    """Give each statement in turn."""
    return request.param


def _conjuncts(criterion: Any) -> list[Any]:
    if isinstance(criterion, BooleanClauseList) and criterion.operator is operators.and_:
        return [part for clause in criterion.clauses for part in _conjuncts(clause)]
    return [criterion]


def _names_the_user(criterion: Any, table: Table) -> bool:
    return any(
        isinstance(part, BinaryExpression)
        and part.operator is operators.eq
        and isinstance(part.left, Cast)
        and part.left.clause is table.c.user_id
        and isinstance(part.right, Cast)
        and isinstance(part.right.clause, BindParameter)
        and part.right.clause.key == "p_user_id"
        for part in _conjuncts(criterion)
    )


def _tables(source: Any) -> list[Table]:
    """Return the tables of a FROM; a subquery or a CTE is a separate part."""
    if isinstance(source, Join):
        return _tables(source.left) + _tables(source.right)
    return [source] if isinstance(source, Table) else []


def _unscoped(statement: Any) -> list[str]:
    """Return the tables that some part of `statement` reads or changes without the predicate `owned`."""
    found = []
    for part in visitors.iterate(statement):
        if isinstance(part, Select):
            sources = part.get_final_froms()
        elif isinstance(part, Update | Delete):
            sources = [part.table]
        else:
            continue
        tables = [table for source in sources for table in _tables(source)]
        found += [table.name for table in tables if not _names_the_user(part.whereclause, table)]
    return found


def _is_bare(element: Any) -> bool:
    """Return whether a result column's type is only inherited from a table's column."""
    if isinstance(element, Cast | Exists):
        return False
    if isinstance(element, Column) and isinstance(element.table, Table):
        return True
    of_a_cte = isinstance(element, ColumnClause) and element.table is not None
    parts = element.base_columns - {element} if of_a_cte else element.get_children()
    return any(map(_is_bare, parts))


def test_every_table_is_asked_only_for_rows_of_the_user(statement: Any) -> None:
    """Each part of the statement must have the predicate `owned`, combined by AND with any others."""
    assert _unscoped(statement) == []


def test_a_new_row_is_the_users() -> None:
    """An insert takes `user_id` from the argument, or from a row that was found by it."""
    inserts = [sql for sql in map(str, STATEMENTS.values()) if "INSERT INTO" in sql]
    assert inserts
    for sql in inserts:
        taken = re.search(r"INSERT INTO \w+ \(user_id\b[^)]*\) (VALUES|SELECT) \(?([^\s,)]+)", sql)
        assert taken
        assert taken[2] == ":p_user_id" or (taken[1] == "SELECT" and taken[2].endswith(".user_id"))


def test_every_result_pins_its_types(statement: Any) -> None:
    """A column whose type changes while the process runs is still read correctly (promise 12)."""
    parts = statement.selects if isinstance(statement, CompoundSelect) else [statement]
    columns = [column for part in parts for column in part.exported_columns]
    assert columns
    assert [column.name for column in columns if _is_bare(column)] == []


@pytest.mark.parametrize(
    "criterion",
    [
        None,
        task.id == owner(),
        task.user_id == bindparam("p_id"),
        ~OWNED,
        or_(OWNED, task.completed),
        and_(task.completed, or_(OWNED, task.id == 1)),
    ],
)
def test_a_statement_without_the_user_would_be_noticed(criterion: Any) -> None:
    """The check above detects it, also inside a CTE."""
    careless = select(task.id) if criterion is None else select(task.id).where(criterion)
    assert _unscoped(careless) == ["task"]
    assert _unscoped(select(careless.cte().c.id)) == ["task"]


def test_a_bare_column_would_be_noticed() -> None:
    """The check above detects it, also behind a label and from a CTE."""
    bare = select(task.title.label("title"))
    for careless in (bare, select(bare.cte().c.title), select(task.id + 1)):
        assert all(map(_is_bare, careless.exported_columns))
    assert not any(map(_is_bare, select(cast(task.title, task.title.type).label("title")).exported_columns))


def test_whole_rows_come_in_the_order_of_their_read_model(statement: Any) -> None:
    """A repository reads the values of a row by position, so a statement that returns all of them keeps the order."""
    columns = [column.name for column in statement.exported_columns]
    for fields in READ_MODELS:
        if set(columns) == set(fields):
            assert columns == fields
