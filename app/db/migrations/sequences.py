"""The sequences behind ids: after a restore they may give ids that rows have or had."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from app.db.migrations.operations.base import literal, quoted
from app.db.models import metadata

STEP: Final = 1_000_000
"""How far to step ids after a restore: further than any application can have written since the backup."""


@dataclass(frozen=True, slots=True)
class SequenceBehind:
    """A table whose next id is already taken, and the statement that steps its sequence past the existing ids."""

    table: str
    next_id: int
    highest_id: int
    remedy: str


def step_sequences(step: int = STEP) -> str:
    """Return the statement that steps the ids of every table, so that no id from before a restore is reused."""
    each = (
        f"setval({_sequence(name, column)}, nextval({_sequence(name, column)}) + {step})" for name, column in _ids()
    )
    return f"select {', '.join(each)};"


def sequences_behind(connection: Connection) -> list[SequenceBehind]:
    """Return the tables whose inserts fail because the next id is taken; reads only.

    Sequences that the role may not read are skipped.
    """
    found = []
    for name, column in _ids():
        highest = f"(select max({quoted(column)}) from {quoted(name)})"  # noqa: S608 - our own names
        look = _LOOK.format(sequence=_sequence(name, column), highest=highest)
        row = connection.execute(text(look)).one_or_none()
        if row is not None and row.highest is not None and row.highest >= row.next:
            remedy = f"select setval({_sequence(name, column)}, {highest});"
            found.append(SequenceBehind(name, row.next, row.highest, remedy))
    return found


_LOOK: Final = """
select coalesce(pg_catalog.pg_sequence_last_value(cast(seqrelid as regclass)) + seqincrement, seqstart) as next,
  {highest} as highest
from pg_sequence
where seqrelid = cast(cast({sequence} as regclass) as oid) and has_sequence_privilege(seqrelid, 'select')"""


def _ids() -> list[tuple[str, str]]:
    return [
        (table.name, column.name) for table in metadata.sorted_tables for column in table.columns if column.identity
    ]


def _sequence(table: str, column: str) -> str:
    return f"pg_get_serial_sequence({literal(quoted(table))}, {literal(column)})"
