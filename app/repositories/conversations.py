"""The queries of conversations."""

from uuid import UUID

from app.db.models import Conversation, ConversationRead
from app.repositories.entity import Entity
from app.repositories.page import Page
from app.repositories.repository import Repository
from app.repositories.usual import Usual


class ConversationRepo(Repository[ConversationRead]):
    """Conversations of one user at a time; each call is one statement."""

    entity = Entity(Conversation, ConversationRead)
    usual = Usual(entity, latest_by="updated_at")

    async def create(self, user_id: str, *, idempotency_key: UUID | None = None) -> ConversationRead:
        """Return the new conversation, as stored; with a key, the one first created with it, as it is today."""
        return await self._create(user_id, None, idempotency_key)

    async def get(self, user_id: str, id: int) -> ConversationRead:
        """Return the conversation; raises `NotFoundError`."""
        return await self._get(user_id, id)

    async def get_or_none(self, user_id: str, id: int) -> ConversationRead | None:
        """Return the conversation, or None where `get` raises."""
        return await self._get_or_none(user_id, id)

    async def list_page(self, user_id: str, *, limit: int = 50, after: str | None = None) -> Page[ConversationRead]:
        """Return at most `limit` conversations (1 to 1000), most recently active first; raises `InvalidCursorError`.

        A conversation that becomes active while the caller pages moves to the front, and is seen there next time.
        """
        return await self._page(user_id, limit, after)

    async def delete(self, user_id: str, id: int) -> None:
        """Delete the conversation and all its messages; raises `NotFoundError`."""
        await self._delete(user_id, id)

    async def count(self, user_id: str) -> int:
        """Return how many conversations there are; reads them all in the index, so it is too dear for a list."""
        return await self._count(user_id)
