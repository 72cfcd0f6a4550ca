"""How PostgreSQL runs a query: with a custom plan for the given values, and with a generic plan."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Executable, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.migrations.operations.base import literal
from app.doctor.measuring.explain import Plan, explain


async def custom_plan(connection: AsyncConnection, statement: Executable, parameters: Mapping[str, Any]) -> Plan:
    """Return the plan for these values; the statement is run and rolled back."""
    return await explain(connection, statement, parameters, analyze=True)


async def generic_plan(connection: AsyncConnection, statement: Executable, parameters: Mapping[str, Any]) -> Plan:
    """Return the plan that a prepared statement uses after a few executions, independent of the values."""
    compiled: Any = statement.compile(dialect=connection.dialect)  # type: ignore[attr-defined]  # a clause
    await connection.execute(text("set local plan_cache_mode = force_generic_plan"))
    await connection.exec_driver_sql(f"prepare probe as {compiled}")
    try:
        values = compiled.construct_params(parameters)
        arguments = ", ".join(_literal(values[name]) for name in compiled.positiontup)
        return await explain(connection, f"execute probe({arguments})".replace(":", r"\:"), analyze=True)
    finally:
        await connection.execute(text("deallocate probe"))


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"array[{', '.join(map(_literal, value))}]"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    if value is None or isinstance(value, int | float | Decimal):
        return "null" if value is None else str(value)
    return literal(str(value))
