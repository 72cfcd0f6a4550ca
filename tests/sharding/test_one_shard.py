"""Every query asks one shard, the user's, as a whole; those that Citus would take apart are functions."""

import json
from typing import Any

import pytest

from app.db import Database, DatabaseSettings
from app.db.engine.compiled import compiled
from app.doctor.schema.plans import any_parameters
from app.repositories import queries

WHOLE = [name for name, query in queries().items() if query.routine is None]


@pytest.mark.parametrize("name", WHOLE)
async def test_a_query_is_one_statement_for_one_shard(citus_url: str, name: str) -> None:
    """Without parts that are run before it."""
    query = queries()[name]
    form = compiled(query, sharded=True)
    arguments = tuple(form.arguments(any_parameters(query.statement)))
    async with Database(DatabaseSettings(url=citus_url, sharded=True)) as db, db.engine.connect() as connection:
        found = (await connection.exec_driver_sql(f"explain (format json) {form.sql}", arguments)).scalar_one()
    asked = _distributed(json.loads(found)[0]["Plan"])
    assert [(each["Job"]["Task Count"], each.get("Subplans", [])) for each in asked] == [(1, [])]


def _distributed(node: Any) -> list[Any]:
    below = [each for child in node.get("Plans", ()) for each in _distributed(child)]
    return [node["Distributed Query"], *below] if "Distributed Query" in node else below
