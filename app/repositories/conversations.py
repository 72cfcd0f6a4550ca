"""Questions about conversations."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import DateTime, bindparam, delete, func, insert, select, true, tuple_
from sqlalchemy.dialects import postgresql

from app.db.errors import InvalidCursorError
from app.db.models import Conversation, ConversationRead
from app.db.models.base import MAX_BIGINT, table_of
from app.db.query import Query, Record, WhenLost
from app.repositories.base import (
    P_ID,
    P_LIMIT,
    P_PLACE,
    P_USER_ID,
    Repository,
    checked_id,
    checked_limit,
    pinned,
    unseen,
)
from app.repositories.once import P_KEY, once, written_before, written_now
from app.repositories.page import CursorFormat, Page

conversation = table_of(Conversation).c
_COLUMNS: Final = pinned(Conversation, ConversationRead)
_CURSOR: Final = CursorFormat("<qq")  # microseconds since 1970, id
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AFTER_ALL: Final = datetime(9999, 12, 31, tzinfo=UTC)

_P_UPDATED_AT: Final = unseen(bindparam("p_updated_at", type_=DateTime(timezone=True)))
_THE_ROW: Final = (conversation.user_id == P_USER_ID, conversation.id == P_ID)

_CREATE: Final = Query(
    "conversations.create",
    (insert(table_of(Conversation)).values(user_id=P_USER_ID).returning(*_COLUMNS)),
    ConversationRead,
)
_CREATE_ONCE: Final = Query(
    "conversations.create_once",
    once(
        written_now(
            postgresql.insert(table_of(Conversation)).values(user_id=P_USER_ID, idempotency_key=P_KEY), _COLUMNS
        ),
        written_before(Conversation, _COLUMNS, true()),
    ),
    Record,
    WhenLost.KEYED,
)
_GET: Final = Query("conversations.get", (select(*_COLUMNS).where(*_THE_ROW)), ConversationRead, WhenLost.NOT_DONE)
_PAGE: Final = Query(
    "conversations.page",
    (
        select(*_COLUMNS)
        .where(
            conversation.user_id == P_USER_ID,
            tuple_(conversation.updated_at, conversation.id) < tuple_(_P_UPDATED_AT, P_PLACE),
        )
        .order_by(conversation.updated_at.desc(), conversation.id.desc())
        .limit(P_LIMIT)
    ),
    ConversationRead,
    WhenLost.NOT_DONE,
)
_DELETE: Final = Query(
    "conversations.delete", (delete(table_of(Conversation)).where(*_THE_ROW).returning(_COLUMNS[0])), int
)
_COUNT: Final = Query(
    "conversations.count",
    select(func.count().label("count")).where(conversation.user_id == P_USER_ID),
    int,
    WhenLost.NOT_DONE,
)


class ConversationRepo(Repository[ConversationRead]):
    """Conversations of one user at a time; each call is one statement."""

    noun = "conversation"
    read_model = ConversationRead

    async def create(self, user_id: str, *, idempotency_key: UUID | None = None) -> ConversationRead:
        """Return the new conversation, as stored; with a key the one first created with it, as it is today."""
        if idempotency_key is not None:
            return await self._fetch_once(_CREATE_ONCE, user_id, idempotency_key)
        return (await self._fetch(_CREATE, user_id))[0]

    async def get(self, user_id: str, id: int) -> ConversationRead:
        """Return the conversation; raises `NotFoundError`."""
        return self._one(await self._fetch(_GET, user_id, p_id=checked_id(id)), id)

    async def get_or_none(self, user_id: str, id: int) -> ConversationRead | None:
        """Return the conversation, or None where `get` raises."""
        return next(iter(await self._fetch(_GET, user_id, p_id=checked_id(id))), None)

    async def list_page(self, user_id: str, *, limit: int = 50, after: str | None = None) -> Page[ConversationRead]:
        """Return at most `limit` conversations (1 to 1000), most recently active first; raises `InvalidCursorError`.

        A conversation that becomes active while the caller pages moves to the front, and is seen there next time.
        """
        updated_at, id = (_AFTER_ALL, MAX_BIGINT) if after is None else _place(after, user_id)
        rows = await self._fetch(_PAGE, user_id, p_updated_at=updated_at, p_place=id, p_limit=checked_limit(limit) + 1)
        return Page.of(rows, limit, lambda row: _cursor(row, user_id), asked=after)

    async def delete(self, user_id: str, id: int) -> None:
        """Delete the conversation and all its messages; raises `NotFoundError`."""
        if not await self._fetch(_DELETE, user_id, p_id=checked_id(id)):
            raise self._not_found(id)

    async def count(self, user_id: str) -> int:
        """Return how many conversations there are; reads them all in the index, so never for a list."""
        return int((await self._fetch(_COUNT, user_id))[0])


def _cursor(row: ConversationRead, user_id: str) -> str:
    return _CURSOR.write(((row.updated_at - _EPOCH) // timedelta(microseconds=1), row.id), "conversation", user_id)


def _place(cursor: str, user_id: str) -> tuple[datetime, int]:
    microseconds, id = _CURSOR.read(cursor, "conversation", user_id)
    try:
        return _EPOCH + timedelta(microseconds=microseconds), id
    except OverflowError:  # whoever knows the format can forge a checksum, too
        raise InvalidCursorError("the cursor is of a time that does not exist") from None
