"""Full tables, made from the models: many users, whose rows are mixed as in production."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import text

from app.db import Database
from app.db.models import metadata
from app.repositories import Entity
from app.repositories.columns import sent
from tests.support.calls import Rows, data_model, in_order_of_references, parents_of, writing
from tests.support.values import value_of

USERS, ROWS_EACH = 20, 10_000
USER: Final = "user-1"
_PARENTS: Final = 10 * USERS
ROWS_OF_A_PARENT: Final = USERS * ROWS_EACH // _PARENTS
_DIFFERENT: Final = 6


async def fill(db: Database) -> Rows:
    """Write 10,000 rows of each entity for each of 20 users, analyze the tables, and return rows of `USER`."""
    async with db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(
            "set session_replication_role = replica"
        )  # no foreign key checks: the generated rows are valid
        for repository in in_order_of_references():
            table, model = repository.entity.table, data_model(writing(repository))
            samples = [value_of(model, n) for n in range(_DIFFERENT)] if model else [None]
            parents = parents_of(table)
            fields = [name for name in (model.model_fields if model else ()) if name not in parents]
            columns = ["user_id", *parents, *fields]
            values = [tuple(sent(getattr(sample, name)) for name in fields) for sample in samples]
            records = _records(values, len(parents))
            await driver.copy_records_to_table(table.name, records=records, columns=columns)
        await driver.execute("reset session_replication_role")
        await driver.execute("vacuum analyze")
    return await rows_of(db, USER)


def _records(values: list[tuple[Any, ...]], references: int) -> Iterator[tuple[Any, ...]]:
    for n in range(1, USERS * ROWS_EACH + 1):
        parent = (
            n * _PARENTS // (USERS * ROWS_EACH + 1) + 1
        )  # its rows lie together, as in production; its user owns them
        user = (parent if references else n) % USERS
        yield (f"user-{user}", *[parent] * references, *values[n // USERS % len(values)])


async def rows_of(db: Database, user_id: str) -> Rows:
    """Return one row of each entity; each row's parent is among them."""
    rows = Rows(user_id)
    for repository in in_order_of_references():
        entity: Entity[Any] = repository.entity
        criteria = [f"{name} = {rows.by_table[parent].id}" for name, parent in parents_of(entity.table).items()]
        where = " and ".join([f"user_id = '{user_id}'", *criteria])
        found = await db.execute(text(f"select * from {entity.table.name} where {where} order by id limit 1"))
        rows.by_table[entity.table.name] = entity.read.model_validate(found.mappings().one())
    return rows


def other_statements() -> dict[str, str]:
    """Return the statements besides the queries: those of a session, a report and a foreign key."""
    asked = {}
    for table in metadata.sorted_tables:
        asked[f"session.get({table.name})"] = f"select * from {table.name} where id = 1"
        asked[f"a report on {table.name} by user"] = f"select count(*) from {table.name} where user_id = '{USER}'"
        if parents := parents_of(table):
            criteria = " and ".join(f"{name} = 1" for name in parents)
            asked[f"a cascade to {table.name}"] = (
                f"delete from only {table.name} where user_id = '{USER}' and {criteria}"
            )
    return asked
