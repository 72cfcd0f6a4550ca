"""Do what the doctor says, to the letter."""

from app.db import Database


async def run_statements(db: Database, advice: str) -> None:
    """Run the statements of an advice one after the other, each in a transaction of its own."""
    async with db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in filter(None, map(str.strip, advice.split(";"))):
            await connection.exec_driver_sql(statement)
