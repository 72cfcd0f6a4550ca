"""Statements that asyncpg runs directly."""

from typing import Any

import pytest
from sqlalchemy import Executable
from sqlalchemy.types import ARRAY, Boolean, DateTime, TypeEngine

from app.db.engine.compiled import compiled
from app.db.engine.dialect import LeanDialect
from app.db.errors import InvalidInputError
from app.repositories import queries
from tests.support.statements import all_statements

STATEMENTS = all_statements()
DIALECT = LeanDialect()


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS.keys())
def test_a_repositorys_columns_need_no_conversion(statement: Executable) -> None:
    """Values from asyncpg need no conversion: it returns each value as SQLAlchemy would."""
    columns = statement.exported_columns  # type: ignore[attr-defined]  # the statements of all_statements have it
    needing = [c.name for c in columns if c.type.dialect_impl(DIALECT).result_processor(DIALECT, None)]
    assert needing == []


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS.keys())
def test_a_repositorys_parameters_need_no_conversion(statement: Executable) -> None:
    """Each value goes to asyncpg as SQLAlchemy would pass it; processors of booleans and times only check it."""
    binds = statement.compile(dialect=DIALECT).binds.values()  # type: ignore[attr-defined]  # see above
    types = [bind.type.item_type if isinstance(bind.type, ARRAY) else bind.type for bind in binds]
    assert [type_ for type_ in types if _converts(type_)] == []


def _converts(type_: TypeEngine[Any]) -> bool:
    return not isinstance(type_, Boolean | DateTime) and type_.dialect_impl(DIALECT).bind_processor(DIALECT) is not None


def test_a_parameter_that_is_missing_is_an_error() -> None:
    """It is not taken for null."""
    with pytest.raises(InvalidInputError, match="p_id"):
        compiled(queries()["tasks.get"]).arguments({"p_user_id": "ada"})
