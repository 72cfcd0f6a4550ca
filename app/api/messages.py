"""Routes of the messages of a conversation."""

from typing import Annotated, TypeVar
from uuid import uuid5

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.api.dependencies import (
    A_STRING,
    After,
    ConversationRepoDep,
    IdempotencyKey,
    Limit,
    MessageRepoDep,
    RowIdPath,
    TransactionDep,
    UserIdDep,
)
from app.api.problems import answers
from app.db.models import ConversationRead, MessageCreate, MessageRead
from app.repositories import ConversationRepo, MessageRepo, Page

router = APIRouter(tags=["messages"])

Before = Annotated[
    str | None, A_STRING, Query(description="The `start_cursor` of the page after. Not together with `after`.")
]


Found = TypeVar("Found", Page[MessageRead], list[MessageRead])


class Started(BaseModel):
    """A conversation and its first message."""

    conversation: ConversationRead
    message: MessageRead


@router.post("/messages", status_code=201, responses=answers(409))
async def start_conversation(
    user_id: UserIdDep, session: TransactionDep, data: MessageCreate, idempotency_key: IdempotencyKey = None
) -> Started:
    """Create a conversation with its first message: both or neither."""
    message_key = idempotency_key and uuid5(idempotency_key, "message")
    conversation = await ConversationRepo(session).create(user_id, idempotency_key=idempotency_key)
    message = await MessageRepo(session).append(user_id, conversation.id, data, idempotency_key=message_key)
    return Started(conversation=conversation, message=message)


@router.post("/conversations/{conversation_id}/messages", status_code=201, responses=answers(404, 409))
async def append_message(
    user_id: UserIdDep,
    messages: MessageRepoDep,
    conversation_id: RowIdPath,
    data: MessageCreate,
    idempotency_key: IdempotencyKey = None,
) -> MessageRead:
    """Append a message."""
    return await messages.append(user_id, conversation_id, data, idempotency_key=idempotency_key)


@router.get("/conversations/{conversation_id}/messages", responses=answers(404))
async def list_messages(
    user_id: UserIdDep,
    messages: MessageRepoDep,
    conversations: ConversationRepoDep,
    conversation_id: RowIdPath,
    limit: Limit = 50,
    after: After = None,
    before: Before = None,
) -> Page[MessageRead]:
    """List messages in order. To wait for more, ask again with the page's `end_cursor` as `after`."""
    page = await messages.list_page(user_id, conversation_id, limit=limit, after=after, before=before)
    return page if page.items else await _nothing(page, conversations, user_id, conversation_id)


@router.get("/conversations/{conversation_id}/messages/latest", responses=answers(404))
async def latest_messages(
    user_id: UserIdDep,
    messages: MessageRepoDep,
    conversations: ConversationRepoDep,
    conversation_id: RowIdPath,
    limit: Limit = 50,
) -> list[MessageRead]:
    """Get the last messages, the oldest of them first, as a model wants them."""
    found = await messages.latest(user_id, conversation_id, limit=limit)
    return found or await _nothing(found, conversations, user_id, conversation_id)


async def _nothing(found: Found, conversations: ConversationRepo, user_id: str, conversation_id: int) -> Found:
    """Return `found`, in which there is nothing; raises `NotFoundError` if that is because there is no conversation."""
    await conversations.get(user_id, conversation_id)
    return found
