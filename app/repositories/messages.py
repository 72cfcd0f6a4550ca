"""The queries of the messages of a conversation."""

from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import select

from app.db.errors import InvalidInputError, MissingReferenceError
from app.db.models import Message, MessageCreate, MessageRead
from app.db.models.base import MAX_BIGINT
from app.db.query import Query, Record
from app.repositories import appending
from app.repositories.checks import checked_id, checked_key, checked_limit
from app.repositories.chunks import chunks_of
from app.repositories.columns import P_LIMIT, P_PLACE
from app.repositories.cursor import CursorFormat
from app.repositories.entity import Entity
from app.repositories.once import P_KEY
from app.repositories.page import Page
from app.repositories.repository import Repository

_messages: Final = Entity(Message, MessageRead)
_message: Final = _messages.table.c
_FOREIGN_KEY: Final = str(next(iter(_messages.table.foreign_key_constraints)).name)
_CURSOR: Final = CursorFormat("<q")
_BEFORE_ALL: Final = -MAX_BIGINT - 1
_STREAM_ROWS: Final = 100
_READS: Final = TypeAdapter(list[MessageRead])

_APPEND: Final = _messages.query("append", appending.append(_messages))
_APPEND_ONCE: Final = _messages.keyed_query("append_once", appending.append_once(_messages))
_APPEND_MANY: Final = _messages.query("append_many", appending.append_many(_messages), Record)
_read: Final = select(*_messages.columns).where(_messages.owned)
_BY_KEY: Final = _messages.query("by_key", _read.where(_message.idempotency_key == P_KEY))
# The order of the index, forwards and backwards (see `newest_first`).
_list: Final = _read.where(_message.conversation_id == appending.P_CONVERSATION_ID).limit(P_LIMIT)
_AFTER: Final = _messages.query("after", _list.where(_message.id > P_PLACE).order_by(_message.id.asc().nulls_first()))
_BEFORE: Final = _messages.query("before", _list.where(_message.id < P_PLACE).order_by(_message.id.desc().nulls_last()))


class MessageRepo(Repository[MessageRead]):
    """Messages of one user's conversation at a time; a conversation that is not theirs has none."""

    entity = _messages

    async def append(
        self, user_id: str, conversation_id: int, data: MessageCreate, *, idempotency_key: UUID | None = None
    ) -> MessageRead:
        """Return the new message, last of its conversation; raises `MissingReferenceError`.

        With a key, the message that was first appended with it; raises `ConflictError` if that was another one.
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
        (place,) = (_BEFORE_ALL,) if cursor is None else _CURSOR.read(cursor, *scope)
        query = _AFTER if before is None else _BEFORE
        rows = await self._list(query, user_id, conversation_id, place=place, limit=checked_limit(limit) + 1)
        return Page.of(
            rows[:limit],
            lambda row: _CURSOR.write((row.id,), *scope),
            more=len(rows) > limit,
            asked=cursor,
            backwards=bool(before),
        )

    async def stream(self, user_id: str, conversation_id: int) -> AsyncIterator[MessageRead]:
        """Yield every message in order, 100 in memory at a time; no connection is held while the caller works."""
        place = _BEFORE_ALL
        while True:
            rows = await self._list(_AFTER, user_id, conversation_id, place=place, limit=_STREAM_ROWS)
            for row in rows:
                yield row
            if len(rows) < _STREAM_ROWS:
                return
            place = rows[-1].id

    async def _list(
        self, query: Query[MessageRead], user_id: str, conversation_id: int, *, place: int, limit: int
    ) -> list[MessageRead]:
        conversation_id = checked_id(conversation_id, name="conversation_id")
        return await self._fetch(query, user_id, p_conversation_id=conversation_id, p_place=place, p_limit=limit)


def _missing(conversation_id: int) -> MissingReferenceError:
    return MissingReferenceError(f"conversation {conversation_id} not found", constraint_name=_FOREIGN_KEY)
