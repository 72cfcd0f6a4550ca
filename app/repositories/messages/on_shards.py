"""What the appends are on a database that is sharded by user: functions with the same steps in the same order.

The time of a message is that of its conversation's trigger, as everywhere: it is taken on the shard, whose clock may
differ from the entry node's.
"""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from app.db.models import Message
from app.db.models.base import table_of
from app.repositories.entity import Entity
from app.repositories.messages import appending
from app.repositories.messages.appending import NEW, History
from app.repositories.once import P_KEY, SAME, returning_once, written_before
from app.repositories.owner import owner
from app.repositories.routine import Routine

_message = table_of(Message)
_TOUCHED_AT: Final[sa.ColumnElement[Any]] = sa.literal_column("touched.updated_at", sa.DateTime(timezone=True))
_NEW_ID: Final[sa.ColumnElement[int]] = sa.literal_column("written.id", sa.BigInteger())
_NOT_STALE: Final[sa.Label[bool]] = sa.cast(sa.false(), sa.Boolean).label(appending.STALE)
_SAME: Final[sa.Label[bool]] = sa.cast(sa.true(), sa.Boolean).label(SAME)

_APPEND: Final = """
declare
  touched record;
begin
  {touch} into touched;
  if found then
    return query {insert};
  end if;
end"""
# Locked before the key is looked for: a repeat that waited for the first call finds its message, and touches nothing.
_APPEND_ONCE: Final = """
declare
  locked record;
  touched record;
begin
  {lock} into locked;
  return query {before};
  if not found and locked is not null then
    {touch} into touched;
    return query {insert};
    if not found then
      return query {before};
    end if;
  end if;
end"""
_WITH_HISTORY: Final = """
declare
  touched record;
  written record;
begin
  {touch} into touched;
  if found then
    {insert} into written;
    return next written;
    return query {history};
  end if;
end"""
_ONCE_WITH_HISTORY: Final = """
declare
  locked record;
  touched record;
  written record;
begin
  {lock} into locked;
  {before} into written;
  if not found and locked is not null then
    {touch} into touched;
    {insert} into written;
    if not found then
      {before} into written;
    end if;
  end if;
  if written.id is not null then
    return next written;
    return query {history};
  end if;
end"""


def append(entity: Entity[Any]) -> Routine:
    """Return `appending.append` as a function."""
    return _routine(entity, "append", _APPEND, entity.columns, insert=_insert().returning(*entity.columns))


def append_many(entity: Entity[Any]) -> Routine:
    """Return `appending.append_many` as a function."""
    filled = [column for column in entity.columns if column.name in appending.FILLED]
    sent = appending.sent_rows()
    values = sa.select(owner(), appending.P_CONVERSATION_ID, sent.c.role, sent.c.content, _TOUCHED_AT)
    statement = sa.insert(_message).from_select(appending.FIELDS, values.order_by(sent.c.position)).returning(*filled)
    return _routine(entity, "append_many", _APPEND, filled, insert=statement)


def append_once(entity: Entity[Any]) -> Routine:
    """Return `appending.append_once` as a function."""
    before = written_before(entity, appending.same_message())
    columns = [*entity.columns, _SAME]
    steps = {"lock": appending.locking(), "before": before, "insert": _insert_once(columns)}
    return _routine(entity, "append_once", _APPEND_ONCE, columns, **steps)


def append_with_history(entity: Entity[Any], name: str, history: History) -> Routine:
    """Return `appending.append_with_history` as a function: each step sees what was committed before it."""
    columns = [*entity.columns, _NOT_STALE]
    steps = {"insert": _insert().returning(*columns), "history": _history(entity, history)}
    return _routine(entity, f"append_with_{name}", _WITH_HISTORY, columns, **steps)


def append_once_with_history(entity: Entity[Any], name: str, history: History) -> Routine:
    """Return `appending.append_once_with_history` as a function."""
    before = written_before(entity, appending.same_message()).add_columns(_flag(sa.false(), NEW), _NOT_STALE)
    columns = [*entity.columns, _SAME, _flag(sa.true(), NEW), _NOT_STALE]
    steps = {
        "lock": appending.locking(),
        "before": before,
        "insert": _insert_once(columns),
        "history": _history(entity, history, SAME, NEW),
    }
    return _routine(entity, f"append_once_with_{name}", _ONCE_WITH_HISTORY, columns, **steps)


def _routine(
    entity: Entity[Any], name: str, body: str, columns: list[sa.Label[Any]], **steps: sa.Executable
) -> Routine:
    """Return a function of which a step is to touch, and so lock, the conversation before an id is drawn."""
    return Routine(f"{entity.table.name}_{name}", columns, body, {"touch": appending.touching(), **steps})


def _values() -> dict[str, Any]:
    sent = (owner(), appending.P_CONVERSATION_ID, appending.P_ROLE, appending.P_CONTENT, _TOUCHED_AT)
    return dict(zip(appending.FIELDS, sent, strict=True))


def _insert() -> Any:
    return sa.insert(_message).values(_values())


def _insert_once(columns: Sequence[sa.Label[Any]]) -> Any:
    return returning_once(postgresql.insert(_message).values({**_values(), "idempotency_key": P_KEY}), columns)


def _history(entity: Entity[Any], history: History, *flags: str) -> sa.Select[Any]:
    """Return the messages of the `history` before the new one, each with its `flags`."""
    rows = appending.history_before(entity, history, _NEW_ID)
    same = (sa.literal_column(f"written.{flag}", sa.Boolean()).label(flag) for flag in flags)
    return sa.select(*(rows.c[column.name] for column in entity.columns), *same, _NOT_STALE)


def _flag(value: sa.ColumnElement[bool], name: str) -> sa.Label[bool]:
    return sa.cast(value, sa.Boolean).label(name)
