"""The statements that append messages to a conversation, in the order in which they are committed."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.sql.expression import CTE

from app.db.models import Conversation, Message, MessageRead
from app.db.models.base import table_of
from app.repositories.columns import equals, parameter
from app.repositories.entity import Entity
from app.repositories.once import P_KEY, SAME, once, written_before, written_now
from app.repositories.owner import owned

_conversation, _message = table_of(Conversation), table_of(Message)
P_CONVERSATION_ID: Final = parameter(_message.c.conversation_id)
P_ROLE: Final = parameter(_message.c.role)
P_CONTENT: Final = parameter(_message.c.content)
P_ROLES: Final[sa.BindParameter[Any]] = sa.bindparam("p_roles", type_=sa.ARRAY(sa.Text()))
P_CONTENTS: Final[sa.BindParameter[Any]] = sa.bindparam("p_contents", type_=sa.ARRAY(sa.Text()))

THE_CONVERSATION: Final = (owned(_conversation), _conversation.c.id == P_CONVERSATION_ID)
FIELDS: Final = ["user_id", "conversation_id", "role", "content", "created_at"]
STALE: Final = "is_stale"
"""The column that says whether the history lacks a message."""
NEW: Final = "is_new"
"""The column that says whether this call wrote the row, not an earlier one with its key."""

History = Callable[[Sequence[sa.Label[Any]], sa.Select[Any]], sa.Select[Any]]
"""What is read of the earlier messages."""

FILLED: Final = frozenset({"id", "created_at"})
"""The columns that the database fills; the others are known from what is sent."""


class AppendedOnce(NamedTuple):
    """The last messages up to one that was appended with an idempotency key."""

    history: list[MessageRead]
    is_new: bool
    """Whether this call appended it; if not, an answer to it may be stored already."""


def touched(*criteria: Any, name: str = "touched") -> CTE:
    """Return the conversation, locked and with a new `updated_at`.

    The lock is taken *before* the insert draws an id: ids are in commit order. The trigger's time is later than any
    before, and becomes the message's: times never run backwards, whatever the clock does.
    """
    return touching(*criteria).cte(name)


def touching(*criteria: Any) -> ReturningUpdate[Any]:
    """Return the update behind `touched`."""
    return (
        sa.update(_conversation)
        .where(*THE_CONVERSATION, *criteria)
        .values(updated_at=_conversation.c.updated_at)
        .returning(_conversation.c.user_id, _conversation.c.id, _conversation.c.updated_at)
    )


def append(entity: Entity[Any]) -> Any:
    """Return the INSERT of one message; no row where the conversation is not the caller's."""
    conversation = touched()
    values = sa.select(conversation.c.user_id, conversation.c.id, P_ROLE, P_CONTENT, conversation.c.updated_at)
    # Of the table, not of the class: in a session that would be the ORM's insert, which cannot be fed from a SELECT.
    return sa.insert(_message).from_select(FIELDS, values).returning(*entity.columns)


def append_many(entity: Entity[Any]) -> sa.Executable:
    """Return the INSERT of several messages, of one time, in the order that they are sent in."""
    conversation, sent = touched(), sent_rows()
    values = (
        sa.select(conversation.c.user_id, conversation.c.id, sent.c.role, sent.c.content, conversation.c.updated_at)
        .select_from(sent.join(conversation, sa.true()))
        .order_by(sent.c.position)
    )
    filled = (column for column in entity.columns if column.name in FILLED)
    return sa.insert(_message).from_select(FIELDS, values).returning(*filled)


def sent_rows() -> sa.TableValuedAlias:
    """Return the messages of `append_many` as rows."""
    return (
        sa.func.unnest(P_ROLES, P_CONTENTS)
        .table_valued("role", "content", with_ordinality="position")
        .render_derived("sent")
    )


def append_once(entity: Entity[Any]) -> sa.Executable:
    """Return the statement that appends one message for each idempotency key."""
    before, _, now = _written_once(entity)
    return once(now, sa.select(before)).add_cte(_touched_after(now))


def append_with_history(entity: Entity[Any], history: History) -> sa.Executable:
    """Return the statement that appends one message and reads the `history` of those before it."""
    locked = _locked()
    now = sa.insert(_message).from_select(FIELDS, _from(locked)).returning(*entity.columns).cte("written_now")
    return _with_history(entity, now, history, _stale(locked)).add_cte(_touched_after(now))


def append_once_with_history(entity: Entity[Any], history: History) -> sa.Executable:
    """Return the statement that appends one message for each idempotency key and reads those before it."""
    before, locked, now = _written_once(entity)
    appended = once(now, sa.select(before)).cte("appended")
    same = sa.cast(sa.select(appended.c[SAME]).scalar_subquery(), sa.Boolean).label(SAME)
    is_new = sa.cast(sa.select(now.c.id).exists(), sa.Boolean).label(NEW)
    return _with_history(entity, appended, history, _stale(locked), same, is_new).add_cte(_touched_after(now))


def _written_once(entity: Entity[Any]) -> tuple[CTE, CTE, CTE]:
    """Return the message that the key has already, the conversation locked where it has none, and the new message."""
    before = written_before(entity, same_message()).cte("written_before")
    locked = _locked(~sa.select(before.c.id).exists())
    insertion = postgresql.insert(_message).from_select([*FIELDS, "idempotency_key"], _from(locked, P_KEY))
    return before, locked, written_now(entity, insertion)


def _locked(*criteria: Any) -> CTE:
    """Return the conversation as it is when the lock is taken, which is later than the statement's snapshot."""
    return locking(*criteria).cte("locked")


def locking(*criteria: Any) -> sa.Select[Any]:
    """Return the query behind it."""
    columns = (_conversation.c.user_id, _conversation.c.id, _conversation.c.updated_at)
    return sa.select(*columns).where(*THE_CONVERSATION, *criteria).with_for_update(key_share=True)


def _from(locked: CTE, *more: Any) -> sa.Select[Any]:
    """Return the values of a new message in the locked conversation."""
    later = sa.func.greatest(sa.func.clock_timestamp(), locked.c.updated_at + sa.text("interval '1 microsecond'"))
    return sa.select(locked.c.user_id, locked.c.id, P_ROLE, P_CONTENT, later, *more)


def _touched_after(now: CTE) -> CTE:
    """Touch the conversation last, and only where there is a new message: a repeat does not make it active again."""
    return touched(sa.select(now.c.id).exists(), name="touched_after")


def _with_history(
    entity: Entity[Any], appended: CTE, history: History, *flags: sa.Label[Any]
) -> sa.CompoundSelect[Any]:
    """Return the message with the `flags` and, newest first, those of the `history` before it."""
    before = history_before(entity, history, sa.select(appended.c.id).scalar_subquery())
    names = [column.name for column in entity.columns]
    with_flags, without = ([rows.c[name] for name in names] for rows in (appended, before))
    return sa.union_all(
        sa.select(*with_flags, *flags), sa.select(*without, *(sa.false().label(flag.name) for flag in flags))
    )


def history_before(entity: Entity[Any], history: History, place: sa.ColumnElement[int]) -> sa.Subquery:
    """Return the messages of the `history` before the place, newest first."""
    earlier = sa.select(*entity.columns).where(
        entity.owned, _message.c.conversation_id == P_CONVERSATION_ID, _message.c.id < place
    )
    return history(entity.columns, earlier).subquery("history")


def _stale(locked: CTE) -> sa.Label[bool]:
    """Return whether another message was committed between the statement's snapshot and the lock.

    The statement does not see it: the history lacks it.
    """
    seen = sa.select(_conversation.c.updated_at).where(*THE_CONVERSATION).scalar_subquery()
    stale = sa.func.coalesce(sa.select(locked.c.updated_at).scalar_subquery() != seen, sa.false())
    return sa.cast(stale, sa.Boolean).label(STALE)


def same_message() -> Any:
    """Return whether a message is the one that is sent."""
    return sa.and_(
        _message.c.conversation_id == P_CONVERSATION_ID,
        equals(_message.c.role, P_ROLE),
        equals(_message.c.content, P_CONTENT),
    )
