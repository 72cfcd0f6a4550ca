"""The statements that append messages to a conversation, in the order in which they are committed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BindParameter,
    Boolean,
    ColumnElement,
    CompoundSelect,
    Executable,
    Label,
    Select,
    Subquery,
    TableValuedAlias,
    Text,
    and_,
    bindparam,
    cast,
    false,
    func,
    insert,
    select,
    text,
    true,
    union_all,
    update,
)
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
P_ROLES: Final[BindParameter[Any]] = bindparam("p_roles", type_=ARRAY(Text()))
P_CONTENTS: Final[BindParameter[Any]] = bindparam("p_contents", type_=ARRAY(Text()))

THE_CONVERSATION: Final = (owned(_conversation), _conversation.c.id == P_CONVERSATION_ID)
FIELDS: Final = ["user_id", "conversation_id", "role", "content", "created_at"]
STALE: Final = "is_stale"
"""The column that says whether the history lacks a message."""
NEW: Final = "is_new"
"""The column that says whether this call wrote the row, not an earlier one with its key."""

History = Callable[[Sequence[Label[Any]], Select[Any]], Select[Any]]
"""What is read of the earlier messages."""

FILLED: Final = frozenset({"id", "created_at"})
"""The columns that the database fills; the others are known from what is sent."""


@dataclass(frozen=True, slots=True)
class AppendedOnce:
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
        update(_conversation)
        .where(*THE_CONVERSATION, *criteria)
        .values(updated_at=_conversation.c.updated_at)
        .returning(_conversation.c.user_id, _conversation.c.id, _conversation.c.updated_at)
    )


def append(entity: Entity[Any]) -> Any:
    """Return the INSERT of one message; no row where the conversation is not the caller's."""
    conversation = touched()
    values = select(conversation.c.user_id, conversation.c.id, P_ROLE, P_CONTENT, conversation.c.updated_at)
    # Of the table, not of the class: in a session that would be the ORM's insert, which cannot be fed from a SELECT.
    return insert(_message).from_select(FIELDS, values).returning(*entity.columns)


def append_many(entity: Entity[Any]) -> Executable:
    """Return the INSERT of several messages, of one time, in the order that they are sent in."""
    conversation, sent = touched(), sent_rows()
    values = (
        select(conversation.c.user_id, conversation.c.id, sent.c.role, sent.c.content, conversation.c.updated_at)
        .select_from(sent.join(conversation, true()))
        .order_by(sent.c.position)
    )
    filled = (column for column in entity.columns if column.name in FILLED)
    return insert(_message).from_select(FIELDS, values).returning(*filled)


def sent_rows() -> TableValuedAlias:
    """Return the messages of `append_many` as rows."""
    return (
        func.unnest(P_ROLES, P_CONTENTS)
        .table_valued("role", "content", with_ordinality="position")
        .render_derived("sent")
    )


def append_once(entity: Entity[Any]) -> Executable:
    """Return the statement that appends one message for each idempotency key."""
    before, _, now = _written_once(entity)
    return once(now, select(before)).add_cte(_touched_after(now))


def append_with_history(entity: Entity[Any], history: History) -> Executable:
    """Return the statement that appends one message and reads the `history` of those before it."""
    locked = _locked()
    now = insert(_message).from_select(FIELDS, _from(locked)).returning(*entity.columns).cte("written_now")
    return _with_history(entity, now, history, _stale(locked)).add_cte(_touched_after(now))


def append_once_with_history(entity: Entity[Any], history: History) -> Executable:
    """Return the statement that appends one message for each idempotency key and reads those before it."""
    before, locked, now = _written_once(entity)
    appended = once(now, select(before)).cte("appended")
    same = cast(select(appended.c[SAME]).scalar_subquery(), Boolean).label(SAME)
    is_new = cast(select(now.c.id).exists(), Boolean).label(NEW)
    return _with_history(entity, appended, history, _stale(locked), same, is_new).add_cte(_touched_after(now))


def _written_once(entity: Entity[Any]) -> tuple[CTE, CTE, CTE]:
    """Return the message that the key has already, the conversation locked where it has none, and the new message."""
    before = written_before(entity, same_message()).cte("written_before")
    locked = _locked(~select(before.c.id).exists())
    insertion = postgresql.insert(_message).from_select([*FIELDS, "idempotency_key"], _from(locked, P_KEY))
    return before, locked, written_now(entity, insertion)


def _locked(*criteria: Any) -> CTE:
    """Return the conversation as it is when the lock is taken, which is later than the statement's snapshot."""
    return locking(*criteria).cte("locked")


def locking(*criteria: Any) -> Select[Any]:
    """Return the query behind it."""
    columns = (_conversation.c.user_id, _conversation.c.id, _conversation.c.updated_at)
    return select(*columns).where(*THE_CONVERSATION, *criteria).with_for_update(key_share=True)


def _from(locked: CTE, *more: Any) -> Select[Any]:
    """Return the values of a new message in the locked conversation."""
    later = func.greatest(func.clock_timestamp(), locked.c.updated_at + text("interval '1 microsecond'"))
    return select(locked.c.user_id, locked.c.id, P_ROLE, P_CONTENT, later, *more)


def _touched_after(now: CTE) -> CTE:
    """Touch the conversation last, and only where there is a new message: a repeat does not make it active again."""
    return touched(select(now.c.id).exists(), name="touched_after")


def _with_history(entity: Entity[Any], appended: CTE, history: History, *flags: Label[Any]) -> CompoundSelect[Any]:
    """Return the message with the `flags` and, newest first, those of the `history` before it."""
    before = history_before(entity, history, select(appended.c.id).scalar_subquery())
    names = [column.name for column in entity.columns]
    with_flags, without = ([rows.c[name] for name in names] for rows in (appended, before))
    return union_all(select(*with_flags, *flags), select(*without, *(false().label(flag.name) for flag in flags)))


def history_before(entity: Entity[Any], history: History, place: ColumnElement[int]) -> Subquery:
    """Return the messages of the `history` before the place, newest first."""
    earlier = select(*entity.columns).where(
        entity.owned, _message.c.conversation_id == P_CONVERSATION_ID, _message.c.id < place
    )
    return history(entity.columns, earlier).subquery("history")


def _stale(locked: CTE) -> Label[bool]:
    """Return whether another message was committed between the statement's snapshot and the lock.

    The statement does not see it: the history lacks it.
    """
    seen = select(_conversation.c.updated_at).where(*THE_CONVERSATION).scalar_subquery()
    stale = func.coalesce(select(locked.c.updated_at).scalar_subquery() != seen, false())
    return cast(stale, Boolean).label(STALE)


def same_message() -> Any:
    """Return whether a message is the one that is sent."""
    return and_(
        _message.c.conversation_id == P_CONVERSATION_ID,
        equals(_message.c.role, P_ROLE),
        equals(_message.c.content, P_CONTENT),
    )
