"""Routes of the messages of a conversation."""

from typing import Annotated
from uuid import uuid5

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from app.api.answers import JsonAnswer
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
    str | None, A_STRING, Query(description="The `start_cursor` of the next page. Not together with `after`.")
]


class Started(BaseModel):
    """A conversation and its first message."""

    conversation: ConversationRead
    message: MessageRead


@router.post("/messages", status_code=201, response_model=Started, responses=answers(409))
async def start_conversation(
    user_id: UserIdDep, session: TransactionDep, data: MessageCreate, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create a conversation with its first message: both or neither."""
    message_key = idempotency_key and uuid5(idempotency_key, "message")
    conversation = await ConversationRepo(session).create(user_id, idempotency_key=idempotency_key)
    message = await MessageRepo(session).append(user_id, conversation.id, data, idempotency_key=message_key)
    return JsonAnswer(Started(conversation=conversation, message=message), of=Started, status=201)


@router.post(
    "/conversations/{conversation_id}/messages",
    status_code=201,
    response_model=MessageRead,
    responses=answers(404, 409),
)
async def append_message(
    user_id: UserIdDep,
    messages: MessageRepoDep,
    conversation_id: RowIdPath,
    data: MessageCreate,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Append a message."""
    appended = await messages.append(user_id, conversation_id, data, idempotency_key=idempotency_key)
    return JsonAnswer(appended, of=MessageRead, status=201)


@router.get("/conversations/{conversation_id}/messages", response_model=Page[MessageRead], responses=answers(404))
async def list_messages(
    user_id: UserIdDep,
    messages: MessageRepoDep,
    conversations: ConversationRepoDep,
    conversation_id: RowIdPath,
    limit: Limit = 50,
    after: After = None,
    before: Before = None,
) -> Response:
    """List messages in order. To wait for more, ask again with the page's `end_cursor` as `after`.

    A page of long messages has fewer than `limit`: the end is where `next_cursor` is null.
    """
    page = await messages.list_page(user_id, conversation_id, limit=limit, after=after, before=before)
    if not page.items:
        await _require(conversations, user_id, conversation_id)
    return JsonAnswer(page, of=Page[MessageRead])


@router.get(
    "/conversations/{conversation_id}/messages/latest", response_model=list[MessageRead], responses=answers(404)
)
async def latest_messages(
    user_id: UserIdDep,
    messages: MessageRepoDep,
    conversations: ConversationRepoDep,
    conversation_id: RowIdPath,
    limit: Limit = 50,
) -> Response:
    """Get the last messages, the oldest of them first, as a model wants them; fewer than `limit` if they are long."""
    found = await messages.latest(user_id, conversation_id, limit=limit)
    if not found:
        await _require(conversations, user_id, conversation_id)
    return JsonAnswer(found, of=list[MessageRead])


async def _require(conversations: ConversationRepo, user_id: str, conversation_id: int) -> None:
    """Raise `NotFoundError` where there are no messages because there is no conversation."""
    await conversations.get(user_id, conversation_id)
