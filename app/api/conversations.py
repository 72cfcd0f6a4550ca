"""Routes of conversations."""

from fastapi import APIRouter, Response

from app.api.answers import JsonAnswer
from app.api.dependencies import (
    After,
    ConversationRepoDep,
    IdempotencyKey,
    Limit,
    RowIdPath,
    UserIdDep,
)
from app.api.problems import answers
from app.db.models import ConversationRead
from app.repositories import Page

router = APIRouter(prefix="/conversations", tags=["conversations"])


@router.post("", status_code=201, response_model=ConversationRead, responses=answers(409))
async def create_conversation(
    user_id: UserIdDep, conversations: ConversationRepoDep, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create a conversation."""
    created = await conversations.create(user_id, idempotency_key=idempotency_key)
    return JsonAnswer(created, of=ConversationRead, status=201)


@router.get("", response_model=Page[ConversationRead])
async def list_conversations(
    user_id: UserIdDep, conversations: ConversationRepoDep, limit: Limit = 50, after: After = None
) -> Response:
    """List conversations, most recently active first."""
    page = await conversations.list_page(user_id, limit=limit, after=after)
    return JsonAnswer(page, of=Page[ConversationRead])


@router.get("/{conversation_id}", response_model=ConversationRead, responses=answers(404))
async def get_conversation(
    user_id: UserIdDep, conversations: ConversationRepoDep, conversation_id: RowIdPath
) -> Response:
    """Get a conversation, without its messages."""
    return JsonAnswer(await conversations.get(user_id, conversation_id), of=ConversationRead)


@router.delete("/{conversation_id}", status_code=204, responses=answers(404))
async def delete_conversation(
    user_id: UserIdDep, conversations: ConversationRepoDep, conversation_id: RowIdPath
) -> None:
    """Delete a conversation and its messages."""
    await conversations.delete(user_id, conversation_id)
