"""Questions about the messages of a conversation."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import (
    ARRAY,
    BigInteger,
    String,
    Text,
    and_,
    bindparam,
    cast,
    func,
    insert,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects import postgresql

from app.db.errors import InvalidInputError, MissingReferenceError
from app.db.models import Conversation, Message, MessageCreate, MessageRead
from app.db.models.base import MAX_BIGINT, table_of
from app.db.query import Query, Record, WhenLost
from app.repositories.base import (
    P_LIMIT,
    P_PLACE,
    P_USER_ID,
    Repository,
    checked_id,
    checked_key,
    checked_limit,
    pinned,
)
from app.repositories.chunks import chunks_of
from app.repositories.once import P_KEY, once, written_before, written_now
from app.repositories.page import CursorFormat, Page

message, conversation = table_of(Message).c, table_of(Conversation).c
_COLUMNS: Final = pinned(Message, MessageRead)
_CURSOR: Final = CursorFormat("<q")
_FOREIGN_KEY: Final = str(next(iter(table_of(Message).foreign_key_constraints)).name)
_STREAM_ROWS: Final = 100
_READS: Final = TypeAdapter(list[MessageRead])

_P_CONVERSATION_ID: Any = bindparam("p_conversation_id", type_=BigInteger())
_P_ROLE: Any = bindparam("p_role", type_=String())
_P_CONTENT: Any = bindparam("p_content", type_=Text())
_P_ROLES: Any = bindparam("p_roles", type_=ARRAY(String()))
_P_CONTENTS: Any = bindparam("p_contents", type_=ARRAY(Text()))
_THE_CONVERSATION: Final = (conversation.user_id == P_USER_ID, conversation.id == _P_CONVERSATION_ID)
_IN_CONVERSATION: Final = (message.conversation_id == _P_CONVERSATION_ID, message.user_id == P_USER_ID)

# The update takes the conversation's row lock *before* the insert draws an id: ids are in commit order. Its trigger
# gives a time later than any before, which becomes the message's: times never run backwards, whatever the clock does.
_touched = (
    update(table_of(Conversation))
    .where(*_THE_CONVERSATION)
    .values(updated_at=conversation.updated_at)
    .returning(conversation.user_id, conversation.id, conversation.updated_at)
    .cte("touched")
)
_FIELDS: Final = ["user_id", "conversation_id", "role", "content", "created_at"]
# Of the table, not of the class: in a session that would be the ORM's insert, which cannot be fed from a SELECT.
_APPEND: Final = Query(
    "messages.append",
    (
        insert(table_of(Message))
        .from_select(_FIELDS, select(_touched.c.user_id, _touched.c.id, _P_ROLE, _P_CONTENT, _touched.c.updated_at))
        .returning(*_COLUMNS)
    ),
    MessageRead,
)

# The lock comes first again, and the conversation is touched last: only where there is a new message.
_before = written_before(
    Message,
    _COLUMNS,
    and_(
        message.conversation_id == _P_CONVERSATION_ID,
        cast(message.role, String) == _P_ROLE,
        message.content == _P_CONTENT,
    ),
).cte("written_before")
_locked = (
    select(conversation.user_id, conversation.id, conversation.updated_at)
    .where(*_THE_CONVERSATION, ~select(_before.c.id).exists())
    .with_for_update(key_share=True)
    .cte("locked")
)
_later = func.greatest(func.clock_timestamp(), _locked.c.updated_at + text("interval '1 microsecond'"))
_now = written_now(
    postgresql.insert(table_of(Message)).from_select(
        [*_FIELDS, "idempotency_key"],
        select(_locked.c.user_id, _locked.c.id, _P_ROLE, _P_CONTENT, _later, P_KEY),
    ),
    _COLUMNS,
)
_touched_after = (
    update(table_of(Conversation))
    .where(*_THE_CONVERSATION, select(_now.c.id).exists())
    .values(updated_at=conversation.updated_at)
    .returning(conversation.id)
    .cte("touched_after")
)
_APPEND_ONCE: Final = Query(
    "messages.append_once", (once(_now, select(_before)).add_cte(_touched_after)), Record, WhenLost.KEYED
)
_GIVEN: Final = frozenset({"id", "created_at"})  # by the database; the rest is what was sent
_sent = (
    func.unnest(_P_ROLES, _P_CONTENTS)
    .table_valued("role", "content", with_ordinality="position")
    .render_derived("sent")
)
_APPEND_MANY: Final = Query(
    "messages.append_many",
    (
        insert(table_of(Message))
        .from_select(
            _FIELDS,
            select(_touched.c.user_id, _touched.c.id, _sent.c.role, _sent.c.content, _touched.c.updated_at)
            .select_from(_sent.join(_touched, true()))
            .order_by(_sent.c.position),
        )
        .returning(*(column for column in _COLUMNS if column.name in _GIVEN))
    ),
    Record,
)
_BY_KEY: Final = Query(
    "messages.by_key",
    (select(*_COLUMNS).where(message.user_id == P_USER_ID, message.idempotency_key == P_KEY)),
    MessageRead,
    WhenLost.NOT_DONE,
)
# The order of the index, forwards and backwards (see `newest_first`).
_AFTER: Final = Query(
    "messages.after",
    (
        select(*_COLUMNS)
        .where(*_IN_CONVERSATION, message.id > P_PLACE)
        .order_by(message.id.asc().nulls_first())
        .limit(P_LIMIT)
    ),
    MessageRead,
    WhenLost.NOT_DONE,
)
_BEFORE: Final = Query(
    "messages.before",
    (
        select(*_COLUMNS)
        .where(*_IN_CONVERSATION, message.id < P_PLACE)
        .order_by(message.id.desc().nulls_last())
        .limit(P_LIMIT)
    ),
    MessageRead,
    WhenLost.NOT_DONE,
)


class MessageRepo(Repository[MessageRead]):
    """Messages of one user's conversation at a time; a conversation that is not theirs has none."""

    noun = "message"
    read_model = MessageRead

    async def append(
        self, user_id: str, conversation_id: int, data: MessageCreate, *, idempotency_key: UUID | None = None
    ) -> MessageRead:
        """Return the new message, last of its conversation; raises `MissingReferenceError`.

        With a key the message that was first appended with it; raises `ConflictError` if that was another one.
        """
        values = {
            "p_conversation_id": checked_id(conversation_id, name="conversation_id"),
            "p_role": data.role.value,
            "p_content": data.content,
        }
        if idempotency_key is not None:
            missing = _missing(conversation_id)
            return await self._fetch_once(_APPEND_ONCE, user_id, idempotency_key, missing=missing, **values)
        rows = await self._fetch(_APPEND, user_id, **values)
        if not rows:
            raise _missing(conversation_id)
        return rows[0]

    async def appended_with(self, user_id: str, idempotency_key: UUID) -> MessageRead | None:
        """Return the message that was appended with this key, or None."""
        return next(iter(await self._fetch(_BY_KEY, user_id, p_idempotency_key=checked_key(idempotency_key))), None)

    async def append_many(self, user_id: str, conversation_id: int, data: Sequence[MessageCreate]) -> list[MessageRead]:
        """Return the new messages in the order of `data`, all or none; raises `MissingReferenceError`.

        One statement, of one time, for each 10,000 messages or 8 million characters; several are one transaction.
        """
        chunks = list(chunks_of(data))
        if len(chunks) == 1:
            return await self._append_chunk(user_id, conversation_id, chunks[0])
        async with self._executor.together() as executor:
            together = MessageRepo(executor)
            return [row for chunk in chunks for row in await together._append_chunk(user_id, conversation_id, chunk)]

    async def _append_chunk(
        self, user_id: str, conversation_id: int, data: Sequence[MessageCreate]
    ) -> list[MessageRead]:
        rows = await self._fetch(
            _APPEND_MANY,
            user_id,
            p_conversation_id=checked_id(conversation_id, name="conversation_id"),
            p_roles=[message.role.value for message in data],
            p_contents=[message.content for message in data],
        )
        if not rows:
            raise _missing(conversation_id)
        known = {"user_id": user_id, "conversation_id": conversation_id}
        return _READS.validate_python(
            [{**known, **vars(message), **row} for row, message in zip(rows, data, strict=True)]
        )

    async def latest(self, user_id: str, conversation_id: int, *, limit: int = 50) -> list[MessageRead]:
        """Return the last `limit` messages (1 to 1000), the oldest of them first, as a model wants them."""
        rows = await self._list(_BEFORE, user_id, conversation_id, place=MAX_BIGINT, limit=checked_limit(limit))
        return rows[::-1]

    async def list_page(
        self,
        user_id: str,
        conversation_id: int,
        *,
        limit: int = 50,
        after: str | None = None,
        before: str | None = None,
    ) -> Page[MessageRead]:
        """Return at most `limit` messages (1 to 1000) in order: the first, those after, or those just before a cursor.

        ``after=page.end_cursor`` polls for what comes later and misses nothing. Raises `InvalidCursorError`.
        """
        if after is not None and before is not None:
            raise InvalidInputError("after and before: give one of them")
        scope = ("message", user_id, conversation_id)
        cursor = before if after is None else after
        (place,) = (-MAX_BIGINT - 1,) if cursor is None else _CURSOR.read(cursor, *scope)
        statement = _AFTER if before is None else _BEFORE
        rows = await self._list(statement, user_id, conversation_id, place=place, limit=checked_limit(limit) + 1)
        return Page.of(rows, limit, lambda row: _CURSOR.write((row.id,), *scope), asked=cursor, backwards=bool(before))

    async def stream(self, user_id: str, conversation_id: int) -> AsyncIterator[MessageRead]:
        """Yield every message in order, 100 in memory at a time; no connection is held while the caller works."""
        place = -MAX_BIGINT - 1
        while True:
            rows = await self._list(_AFTER, user_id, conversation_id, place=place, limit=_STREAM_ROWS)
            for row in rows:
                yield row
            if len(rows) < _STREAM_ROWS:
                return
            place = rows[-1].id

    async def _list(
        self, statement: Any, user_id: str, conversation_id: int, *, place: int, limit: int
    ) -> list[MessageRead]:
        conversation_id = checked_id(conversation_id, name="conversation_id")
        return await self._fetch(statement, user_id, p_conversation_id=conversation_id, p_place=place, p_limit=limit)


def _missing(conversation_id: int) -> MissingReferenceError:
    return MissingReferenceError(f"conversation {conversation_id} not found", constraint_name=_FOREIGN_KEY)
