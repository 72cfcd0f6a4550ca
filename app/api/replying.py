"""The route of streamed replies."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends
from starlette.responses import StreamingResponse

from app.api.causal import LastTokenDep
from app.api.dependencies import IdempotencyKey, RepliesDep, RowIdPath, UserIdDep
from app.api.problems import answers
from app.api.replies import MEDIA_TYPE, Reply, events
from app.db.models import MessageCreate, Role

router = APIRouter(tags=["messages"])
_EVENT: Final = {"type": "object", "properties": {"event": {"type": "string"}, "data": {"type": "string"}}}
_STREAM: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {MEDIA_TYPE: {"itemSchema": _EVENT}}}}
_UNBUFFERED: Final = {"X-Accel-Buffering": "no"}  # nginx passes each event on as it comes


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
    response_class=StreamingResponse,
    responses={**_STREAM, **answers(404, 409)},
)
async def reply(reply: ReplyDep, last_token: LastTokenDep) -> StreamingResponse:
    """Append the user's message and stream the assistant's reply.

    Each event `piece` is a part of the text. The last event is `message`, the reply as it is now stored, or `problem`.
    Where there is a `Causal-Token`, an event `causal-token` with the last one comes before it.
    The reply is stored also if you hang up. With the same `Idempotency-Key` you get the same reply again. While too
    many replies are in flight, yours (429) or everybody's (503), nothing is appended.
    """
    return StreamingResponse(events(reply, last_token), headers=_UNBUFFERED, media_type=MEDIA_TYPE)
