"""Routes of conversations."""

from fastapi import APIRouter

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


@router.post("", status_code=201, responses=answers(409))
async def create_conversation(
    user_id: UserIdDep, conversations: ConversationRepoDep, idempotency_key: IdempotencyKey = None
) -> ConversationRead:
    """Create a conversation."""
    return await conversations.create(user_id, idempotency_key=idempotency_key)


@router.get("")
async def list_conversations(
    user_id: UserIdDep, conversations: ConversationRepoDep, limit: Limit = 50, after: After = None
) -> Page[ConversationRead]:
    """List conversations, most recently active first."""
    return await conversations.list_page(user_id, limit=limit, after=after)


@router.get("/{conversation_id}", responses=answers(404))
async def get_conversation(
    user_id: UserIdDep, conversations: ConversationRepoDep, conversation_id: RowIdPath
) -> ConversationRead:
    """Get a conversation, without its messages."""
    return await conversations.get(user_id, conversation_id)


@router.delete("/{conversation_id}", status_code=204, responses=answers(404))
async def delete_conversation(
    user_id: UserIdDep, conversations: ConversationRepoDep, conversation_id: RowIdPath
) -> None:
    """Delete a conversation and its messages."""
    await conversations.delete(user_id, conversation_id)
