"""The sharded form: which statements become functions, how each names its shard, and the SQL that shards tables."""

from typing import Any

import pytest
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, UniqueConstraint
from sqlalchemy.sql import visitors
from sqlalchemy.sql.dml import Insert

from app.db.engine.compiled import compiled
from app.db.errors import ConfigurationError
from app.db.migrations.sharding import Distribution, Sharding
from app.db.migrations.sharding.form import refuse_unshardable
from app.db.migrations.sharding.refusal import refuse
from app.db.models.base import owned_tables
from app.db.query import ROUTINE_PREFIX
from app.db.target.settings import DatabaseSettings
from app.repositories import queries, routines

SETTINGS = DatabaseSettings(url="postgresql:///nowhere", sharded=True)
NAMES = [table.name for table in owned_tables()]
each_query = pytest.mark.parametrize("name", queries())


def _is_taken_apart(statement: Any) -> bool:
    """Return whether Citus cannot send the statement to a shard as a whole."""
    inserts = [part for part in visitors.iterate(statement) if isinstance(part, Insert)]
    return any(part is not statement or part.select is not None for part in inserts)


@each_query
def test_what_citus_would_take_apart_is_a_function(name: str) -> None:
    """Also a query that somebody adds: an INSERT in a CTE or from a SELECT has a function, nothing else has one."""
    query = queries()[name]
    assert (query.routine is not None) == _is_taken_apart(query.statement)


@each_query
def test_a_sharded_statement_names_its_shard_without_a_cast(name: str) -> None:
    """Citus looks through no cast of the column; the operator is that of pg_catalog, whatever was planted."""
    query = queries()[name]
    sql = query.routine.created if query.routine else compiled(query, sharded=True).sql
    assert "user_id AS TEXT" not in sql
    assert ".user_id = " not in sql
    assert "user_id OPERATOR(pg_catalog.=) " in sql or "INSERT INTO" in sql


@each_query
def test_without_the_setting_a_statement_is_as_before(name: str) -> None:
    """Neither an operator of its own nor a function."""
    sql = compiled(queries()[name]).sql
    assert "user_id OPERATOR" not in sql
    assert ROUTINE_PREFIX not in sql


def test_a_function_of_another_body_has_another_name() -> None:
    """Old and new code call their own in one database; a name is one that PostgreSQL does not cut."""
    names = [routine.name for routine in routines()]
    assert len(set(names)) == len(names) > 0
    assert all(len(name) < 64 and name.startswith(ROUTINE_PREFIX) for name in names)


def test_the_statements_that_shard_are_those_of_the_models() -> None:
    """Each table is rekeyed and sharded beside the first; the foreign keys go first and come last."""
    statements = Distribution(SETTINGS, []).of(Sharding(existing=frozenset(NAMES)))
    first = f"select create_distributed_table('{NAMES[0]}', 'user_id')"
    assert first in statements
    for name in NAMES[1:]:
        assert f"select create_distributed_table('{name}', 'user_id', colocate_with => '{NAMES[0]}')" in statements
    for name in NAMES:
        key = f"drop constraint pk_{name}, add constraint pk_{name} primary key (user_id, id)"
        assert f"alter table {name} {key}" in statements
    keys = [key for table in owned_tables() for key in table.foreign_key_constraints]
    assert all("drop constraint fk_" in statement for statement in statements[: len(keys)])
    assert all("FOREIGN KEY" in statement for statement in statements[-len(keys) :])


def test_only_what_is_missing_is_sharded() -> None:
    """A table of a later revision goes beside the others; where all are sharded there is nothing to do."""
    state = Sharding(existing=frozenset(NAMES), sharded=frozenset(NAMES[1:]))
    statements = Distribution(SETTINGS, []).of(state)
    sharded = [each for each in statements if "create_distributed_table" in each]
    assert sharded == [f"select create_distributed_table('{NAMES[0]}', 'user_id', colocate_with => '{min(NAMES[1:])}')"]
    assert Distribution(SETTINGS, []).of(Sharding(sharded=frozenset(NAMES))) == []


def test_the_way_back_locks_first_and_drops_last() -> None:
    """No row that is written meanwhile is lost."""
    statements = Distribution(SETTINGS, [], undo=True).of(Sharding(schema="Shop", sharded=frozenset(NAMES)))
    everything = ", ".join(f'"Shop".{name}' for name in NAMES)
    assert statements[0] == f"lock table {everything} in access exclusive mode"
    dropped = statements.index(f"drop table {everything}")
    copied = [number for number, each in enumerate(statements) if each.startswith("insert into")]
    assert len(copied) == len(NAMES)
    assert max(copied) < dropped
    assert Distribution(SETTINGS, [], undo=True).of(Sharding()) == []


@pytest.mark.parametrize(
    "unique", [UniqueConstraint("email", name="uq_email"), Index("uq_email", "email", unique=True)]
)
def test_a_key_that_spans_users_is_refused(unique: UniqueConstraint | Index) -> None:
    """No shard alone can enforce it; the error names the key and what to add."""
    key = Column("id", Integer, primary_key=True)
    table = Table("person", MetaData(), key, Column("user_id", String), Column("email", String), unique)
    with pytest.raises(ConfigurationError, match=r"uq_email of person .* Add user_id"):
        refuse_unshardable([table])


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (Sharding(installed=False, available=False), "does not have the Citus extension"),
        (Sharding(installed=False), "create extension citus"),
        (Sharding(is_entry=False, entry="entry.internal:5432"), "connect to the entry node, entry.internal:5432"),
        (Sharding(has_place=False), "citus_add_node"),
        (Sharding(), "run python -m app migrate first"),
    ],
    ids=["not there", "not created", "a worker", "no place for shards", "no tables"],
)
def test_what_stands_in_the_way_is_named_with_what_to_do(state: Sharding, says: str) -> None:
    """The first problem is the one that is told."""
    with pytest.raises(ConfigurationError, match=says):
        refuse(state)
