"""The messages of a conversation."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from pydantic import ConfigDict, TypeAdapter

from app.db.errors import (
    DataAccessError,
    InvalidInputError,
    KeyedOutcomeUnknownError,
    MissingReferenceError,
    OutcomeUnknownError,
)
from app.db.models import MessageCreate, MessageRead
from app.db.models.base import MAX_BIGINT, MIN_BIGINT
from app.db.query import Query
from app.db.rows import Slice
from app.repositories.checks import checked_id, checked_key, checked_limit
from app.repositories.chunks import chunks_of
from app.repositories.cursor import CursorFormat
from app.repositories.messages import appending, queries
from app.repositories.messages.context import Extent
from app.repositories.page import Page
from app.repositories.repository import Repository

_FOREIGN_KEY: Final = str(next(iter(queries.MESSAGES.table.foreign_key_constraints)).name)
_CURSOR: Final = CursorFormat("<q")
_STREAM_ROWS: Final = 100
_CHUNK_ROWS: Final = 10_000
_CHUNK_CHARACTERS: Final = 8_000_000
_READS: Final = TypeAdapter(list[MessageRead], config=ConfigDict(defer_build=True))


class MessageRepo(Repository[MessageRead]):
    """Messages of one user's conversation at a time; a conversation that is not theirs has none."""

    entity = queries.MESSAGES

    async def append(
        self, user_id: str, conversation_id: int, data: MessageCreate, *, idempotency_key: UUID | None = None
    ) -> MessageRead:
        """Return the new message, last of its conversation; raises `MissingReferenceError`.

        With a key, the message that was first appended with it; raises `ConflictError` if that was another one.
        """
        values = _values(conversation_id, data)
        if idempotency_key is not None:
            missing = _missing(conversation_id)
            return await self._fetch_once(queries.APPEND_ONCE, user_id, idempotency_key, missing=missing, **values)
        rows = await self._fetch(queries.APPEND, user_id, **values)
        if not rows:
            raise _missing(conversation_id)
        return rows[0]

    async def append_with_history(
        self,
        user_id: str,
        conversation_id: int,
        data: MessageCreate,
        *,
        limit: int = 50,
        max_characters: int | None = None,
        idempotency_key: UUID | None = None,
    ) -> list[MessageRead]:
        """Return the last `limit` messages (1 to 1000) up to the new one, which is the last; raises as `append` does.

        One statement, also with a key. Another message that is committed at the same moment costs a second one. They
        are those that `latest` returns after it: fewer where they exceed 8 MB; with `max_characters` as many as fit.
        Where the second fails the message is stored all the same, and `OutcomeUnknownError` says so.
        """
        if idempotency_key is not None:
            appended = await self.append_once_with_history(
                user_id, conversation_id, data, idempotency_key, limit=limit, max_characters=max_characters
            )
            return appended.history
        extent = Extent(limit, max_characters)
        values = {**_values(conversation_id, data), **extent.before(data.content)}
        (found,) = await self._fetch(queries.WITH_HISTORY[extent.is_bounded], user_id, **values)
        return await self._history(found, extent, _missing(conversation_id), OutcomeUnknownError)

    async def append_once_with_history(
        self,
        user_id: str,
        conversation_id: int,
        data: MessageCreate,
        idempotency_key: UUID,
        *,
        limit: int = 50,
        max_characters: int | None = None,
    ) -> appending.AppendedOnce:
        """Append as `append_with_history` does with a key, and tell whether the message is new."""
        extent, missing = Extent(limit, max_characters), _missing(conversation_id)
        values = {**_values(conversation_id, data), **extent.before(data.content)}
        query = queries.ONCE_WITH_HISTORY[extent.is_bounded]
        (found,) = await self._rows_once(query, user_id, idempotency_key, missing, **values)
        history = await self._history(found, extent, missing, KeyedOutcomeUnknownError)
        return appending.AppendedOnce(history, is_new=found.flags[appending.NEW])

    async def _history(
        self, found: Slice[MessageRead], extent: Extent, missing: Exception, unread: type[DataAccessError]
    ) -> list[MessageRead]:
        if not found.items:
            raise missing
        last, *earlier = found.items
        if found.flags[appending.STALE]:  # messages that it waited for are later than its snapshot
            earlier = await self._before(last, extent, unread)
        return [*earlier[::-1], last]

    async def _before(self, last: MessageRead, extent: Extent, unread: type[DataAccessError]) -> list[MessageRead]:
        """Return the messages before the appended one; raises `unread` if that is stored and they cannot be read."""
        bounds = extent.before(last.content)
        try:
            return await self._last(last.user_id, last.conversation_id, extent, bounds, last.id)
        except DataAccessError as error:
            if not self._executor.commits:
                raise
            reason = f"message {last.id} is stored, but those before it could not be read: {error.args[0]}"
            raise unread(reason, sqlstate=error.sqlstate, advice=error.advice) from error

    async def appended_with(self, user_id: str, idempotency_key: UUID) -> MessageRead | None:
        """Return the message that was appended with this key, or None."""
        return next(
            iter(await self._fetch(queries.BY_KEY, user_id, p_idempotency_key=checked_key(idempotency_key))), None
        )

    async def append_many(self, user_id: str, conversation_id: int, data: Sequence[MessageCreate]) -> list[MessageRead]:
        """Return the new messages in the order of `data`, all or none; raises `MissingReferenceError`.

        One statement, of one time, for each 10,000 messages or 8 million characters; several are one transaction.
        """
        chunks = chunks_of_messages(data)
        if len(chunks) == 1:
            return await self._chunk(user_id, conversation_id, chunks[0])
        async with self._executor.together() as executor:
            together = MessageRepo(executor)
            return [row for chunk in chunks for row in await together._chunk(user_id, conversation_id, chunk)]

    async def _chunk(self, user_id: str, conversation_id: int, data: Sequence[MessageCreate]) -> list[MessageRead]:
        rows = await self._fetch(
            queries.APPEND_MANY,
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

    async def latest(
        self, user_id: str, conversation_id: int, *, limit: int = 50, max_characters: int | None = None
    ) -> list[MessageRead]:
        """Return the last `limit` messages (1 to 1000), the oldest of them first; fewer where they exceed 8 MB.

        With `max_characters` (to 2,000,000) as many as fit, from a user's message on; the last one always. For a model
        that counts tokens, multiply them by the characters that you estimate for one.
        """
        extent = Extent(limit, max_characters)
        return (await self._last(user_id, conversation_id, extent, extent.last(), MAX_BIGINT))[::-1]

    async def _last(
        self, user_id: str, conversation_id: int, extent: Extent, bounds: Mapping[str, Any], place: int
    ) -> list[MessageRead]:
        """Return the last messages before a place, the newest first."""
        checked_id(conversation_id, name="conversation_id")
        values = {**bounds, "p_conversation_id": conversation_id, "p_place": place}
        return await self._fetch(queries.CONTEXT if extent.is_bounded else queries.LATEST, user_id, **values)

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

        A page ends early at 8 MB. ``after=page.end_cursor`` polls for what comes later and misses nothing. Raises
        `InvalidCursorError`.
        """
        if after is not None and before is not None:
            raise InvalidInputError("after and before: give one of them")
        scope = ("message", user_id, conversation_id)
        cursor = before if after is None else after
        (place,) = (MIN_BIGINT,) if cursor is None else _CURSOR.read(cursor, *scope)
        query = queries.AFTER if before is None else queries.BEFORE
        found = await self._list(query, user_id, conversation_id, place=place, limit=limit)
        return Page.of(
            found.items,
            lambda row: _CURSOR.write((row.id,), *scope),
            more=found.more,
            asked=cursor,
            backwards=bool(before),
        )

    async def stream(self, user_id: str, conversation_id: int) -> AsyncIterator[MessageRead]:
        """Yield every message in order, 100 or 8 MB in memory at a time; holds no connection while the caller works."""
        found: Slice[MessageRead] = Slice([], more=True)
        while found.more:
            place = found.items[-1].id if found.items else MIN_BIGINT
            found = await self._list(queries.AFTER, user_id, conversation_id, place=place, limit=_STREAM_ROWS)
            for row in found.items:
                yield row

    async def _list(
        self, query: Query[Any], user_id: str, conversation_id: int, *, place: int, limit: int
    ) -> Slice[MessageRead]:
        conversation_id = checked_id(conversation_id, name="conversation_id")
        limit = checked_limit(limit)
        return await self._fetch_slice(query, user_id, limit=limit, p_conversation_id=conversation_id, p_place=place)


def chunks_of_messages(data: Sequence[MessageCreate]) -> list[list[MessageCreate]]:
    """Return what `append_many` sends in each statement."""
    return list(
        chunks_of(data, lambda message: len(message.content), most_items=_CHUNK_ROWS, most_size=_CHUNK_CHARACTERS)
    )


def _values(conversation_id: int, data: MessageCreate) -> dict[str, Any]:
    return {
        "p_conversation_id": checked_id(conversation_id, name="conversation_id"),
        "p_role": data.role.value,
        "p_content": data.content,
    }


def _missing(conversation_id: int) -> MissingReferenceError:
    return MissingReferenceError(f"conversation {conversation_id} not found", constraint_name=_FOREIGN_KEY)
