"""On partitioned tables every query reads the partitions of its user alone."""

import re

import pytest

from app.db import Database, DatabaseSettings
from app.doctor.measuring.explain import explain
from app.doctor.schema.plans import any_parameters
from app.repositories import queries
from tests.support.plans import generic_plan

NUMBER = re.compile(r"_part_(\d+)")


@pytest.mark.parametrize("name", queries())
async def test_a_query_reads_one_partition(partitioned_url: str, name: str) -> None:
    """In a plan for its values, and in one for all values, where the others are removed when it runs."""
    statement = queries()[name].statement
    async with Database(DatabaseSettings(url=partitioned_url)) as db, db.engine.connect() as connection:
        plan = await explain(connection, statement, any_parameters(statement))
        found = NUMBER.findall(" ".join((*plan.indexes, *plan.scanned)))
        assert len(set(found)) == (0 if name.endswith(".create") else 1)
        read = await generic_plan(connection, statement, any_parameters(statement))
        assert len(set(NUMBER.findall(" ".join((*read.indexes, *read.scanned))))) <= 1
