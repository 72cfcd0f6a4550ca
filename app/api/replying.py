"""The route of streamed answers."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.api.dependencies import IdempotencyKey, RepliesDep, RowIdPath, UserIdDep
from app.api.errors import ApiError
from app.api.problems import answers, problem_of
from app.api.replies import Reply
from app.db.errors import DataAccessError
from app.db.models import MessageCreate, Role

router = APIRouter(tags=["messages"])


class Question(MessageCreate):
    """What the user says."""

    role: Literal[Role.USER] = Role.USER


async def _start(
    user_id: UserIdDep,
    replies: RepliesDep,
    conversation_id: RowIdPath,
    data: Question,
    idempotency_key: IdempotencyKey = None,
) -> Reply:
    return await replies.start(user_id, conversation_id, data, idempotency_key=idempotency_key)


# A dependency, since it runs before the answer begins: what it raises still has a status of its own.
ReplyDep = Annotated[Reply, Depends(_start)]


@router.post(
    "/conversations/{conversation_id}/reply",  # noqa: FAST003 - the dependency takes it
    response_class=EventSourceResponse,
    responses=answers(404, 409),
)
async def reply(reply: ReplyDep) -> AsyncIterator[ServerSentEvent]:
    """Append the user's message and stream the assistant's answer.

    Each event `piece` is a part of the text. The last event is `message`, the answer as it is now stored, or `problem`.
    The answer is stored also if you hang up. With the same `Idempotency-Key` you get the same answer again. While too
    many answers are in the making there is a 503, and nothing is appended.
    """
    async for piece in reply.read():
        yield ServerSentEvent(event="piece", data=piece)
    try:
        yield ServerSentEvent(event="message", data=await reply.stored())
    except (ApiError, DataAccessError) as error:
        yield ServerSentEvent(event="problem", data=problem_of(error)[1])
