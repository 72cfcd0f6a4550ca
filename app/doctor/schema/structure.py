"""Check that indexes, constraints and triggers exist and are in force."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import CheckConstraint, Constraint, ForeignKeyConstraint, Index, RowMapping, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import AddConstraint, CreateIndex, DDLElement

from app.db.migrations.operations.partitions import is_partitioned, remaining_steps
from app.db.models.updated_at import CREATE_TRIGGER, NAME, is_touched
from app.doctor.findings import Finding, error, note, ok
from app.doctor.subject import Checks, Subject, our_tables, table_names

_INDEXES: Final = """
select index.relname as name, relation.relname as table, indisvalid and indisready as valid,
  progress.pid is not null as under_way, relation.relkind::text = 'p' as partitioned
from pg_index join pg_class index on index.oid = indexrelid join pg_class relation on relation.oid = indrelid
left join pg_stat_progress_create_index progress on progress.index_relid = indexrelid
where relation.relname = any(:tables) and pg_table_is_visible(relation.oid)"""
_INVALID: Final = "no query uses it, but every write maintains it"
_CONSTRAINTS: Final = """
select conname as name, relname as table, convalidated as valid
from pg_constraint join pg_class on pg_class.oid = conrelid
where relname = any(:tables) and pg_table_is_visible(conrelid)"""
_TRIGGERS: Final = """
select relname as table, tgisinternal as of_constraint, tgname as name, tgenabled::text as enabled
from pg_trigger join pg_class on pg_class.oid = tgrelid
where relname = any(:tables) and pg_table_is_visible(tgrelid)"""
_ALL_THERE: Final = """
select bool_and(to_regclass(quote_ident(name)) is not null) from pg_catalog.unnest(cast(:names as text[])) as name"""


async def _indexes(subject: Subject) -> list[Finding]:
    check, there = "schema.indexes", await _there(subject, _INDEXES)
    if there is None:
        return []
    findings = [
        note(check, f"{name} on {table} is being built now")
        if row["under_way"]
        else error(check, f"{name} on {table} is invalid: {_INVALID}", _renew(name))
        for (table, name), row in there.items()
        if not row["valid"] and not row["partitioned"]
    ]
    wanted = {(table.name, str(index.name)): index for table in our_tables() for index in indexes_of(table)}
    findings += [
        error(check, f"{name} on {table} is missing", await _create(subject, index))
        for (table, name), index in wanted.items()
        if (table, name) not in there
    ]
    findings += [
        error(check, f"{name} on {table} is invalid: partitions lack it", await _create(subject, wanted[table, name]))
        for (table, name), row in there.items()
        if row["partitioned"] and not row["valid"] and (table, name) in wanted
    ]
    return findings or [ok(check, f"all {len(wanted)} exist and are valid")]


def indexes_of(table: Table) -> Iterator[Index | Constraint]:
    """Yield what has an index of the same name in the database: keys, unique constraints, indexes."""
    yield table.primary_key
    yield from (constraint for constraint in table.constraints if isinstance(constraint, UniqueConstraint))
    yield from table.indexes


async def _create(subject: Subject, index: Index | Constraint) -> str:
    if isinstance(index, Constraint):
        return f"{_sql(AddConstraint(index, isolate_from_table=False))};"
    assert index.table is not None
    create, connection = _sql(CreateIndex(index)), await subject.session.connection()
    if await connection.run_sync(is_partitioned, index.table.name):
        steps = await connection.run_sync(remaining_steps, create, str(index.name), index.table.name)
        return " ".join(f"{step.sql};" for step in steps)
    return f"{create.replace(' INDEX ', ' INDEX CONCURRENTLY ', 1)};"


def _sql(ddl: DDLElement) -> str:
    return " ".join(str(ddl.compile(dialect=postgresql.dialect())).split())  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are not typed


def _renew(name: str) -> str:
    return f"reindex index concurrently {name}; or, if it is not needed: drop index concurrently {name};"


async def _constraints(subject: Subject) -> list[Finding]:
    check, there = "schema.constraints", await _there(subject, _CONSTRAINTS)
    if there is None:
        return []
    wanted = [constraint for table in our_tables() for constraint in _checked(table)]
    findings = [
        error(check, f"{each.name} on {each.table.name} is missing", _add_and_validate(each))
        for each in wanted
        if (each.table.name, each.name) not in there
    ]
    findings += [
        error(check, f"{name} on {table} is not validated", _validate(table, name))
        for (table, name), row in there.items()
        if not row["valid"]
    ]
    return findings or [ok(check, f"all {len(wanted)} exist and are validated")]


def _add_and_validate(constraint: Constraint) -> str:
    add = _sql(AddConstraint(constraint, isolate_from_table=False))
    return f"{add} NOT VALID; {_validate(constraint.table.name, str(constraint.name))}"


def _validate(table: str, name: str) -> str:
    return f"alter table {table} validate constraint {name};"


def _checked(table: Table) -> list[Constraint]:
    return [
        each for each in table.constraints if isinstance(each, (ForeignKeyConstraint, CheckConstraint)) and each.name
    ]


async def _triggers(subject: Subject) -> list[Finding]:
    check, there = "schema.triggers", await _there(subject, _TRIGGERS)
    if there is None:
        return []
    # Disabled, or enabled for replication only; a foreign key has several triggers.
    idle = {(table, _broken_without(row)) for (table, _), row in there.items() if row["enabled"] in "DR"}
    findings = [
        error(check, f"triggers on {table} are disabled: {without}", f"alter table {table} enable trigger all;")
        for table, without in sorted(idle)
    ]
    findings += [
        error(check, f"{NAME} on {table.name} is missing: updated_at does not change", _touch_again(table))
        for table in our_tables()
        if is_touched(table) and (table.name, NAME) not in there
    ]
    return findings or [ok(check, "updated_at is set by triggers, and foreign keys are enforced")]


def _touch_again(table: Table) -> str:
    return f"{CREATE_TRIGGER % {'fullname': table.name}};"


def _broken_without(trigger: RowMapping) -> str:
    return "foreign keys are not enforced" if trigger["of_constraint"] else "the columns that they set do not change"


async def _there(subject: Subject, statement: str) -> dict[tuple[str, str], RowMapping] | None:
    """Return what our tables have, by table and name; None if there are no tables, which another check reports."""
    names = table_names()
    if not await subject.value(_ALL_THERE, names=names):
        return None
    rows = await subject.rows(statement, tables=names)
    return {(row["table"], row["name"]): row for row in rows}


CHECKS: Checks = {
    "schema.indexes": _indexes,
    "schema.constraints": _constraints,
    "schema.triggers": _triggers,
}
