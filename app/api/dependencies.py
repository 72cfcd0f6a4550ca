"""What handlers take: the user, the repositories, and parameters of one form."""

from collections.abc import AsyncIterator
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request, Security
from fastapi.security import HTTPBearer
from pydantic import BeforeValidator, WithJsonSchema
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.errors import NotAuthenticatedError
from app.api.readiness import Readiness
from app.api.replies import Replies
from app.api.services import services_of
from app.db.models.base import MAX_BIGINT
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from app.repositories.checks import MAX_LIMIT


class _Bearer(HTTPBearer):
    """The scheme as it is documented; the token itself was verified by the gate."""

    async def __call__(self, request: Request) -> str:  # type: ignore[override]  # the user in place of credentials
        user_id = request.state.user_id
        if user_id is None:  # the path was made public, and the route asks for a user all the same
            raise NotAuthenticatedError
        return str(user_id)


UserIdDep = Annotated[str, Security(_Bearer(bearerFormat="JWT", scheme_name="HTTPBearer"))]
"""The user whose token the gate verified: the only way by which a user id comes in."""


# Coroutines, though they wait for nothing: FastAPI calls a plain function in a thread, which costs 200 µs.
async def _tasks(request: Request) -> TaskRepo:
    return TaskRepo(services_of(request).database)


async def _conversations(request: Request) -> ConversationRepo:
    return ConversationRepo(services_of(request).database)


async def _messages(request: Request) -> MessageRepo:
    return MessageRepo(services_of(request).database)


async def _readiness(request: Request) -> Readiness:
    return services_of(request).readiness


async def _replies(request: Request) -> Replies:
    return services_of(request).replies


TaskRepoDep = Annotated[TaskRepo, Depends(_tasks)]
ConversationRepoDep = Annotated[ConversationRepo, Depends(_conversations)]
MessageRepoDep = Annotated[MessageRepo, Depends(_messages)]
ReadinessDep = Annotated[Readiness, Depends(_readiness)]
RepliesDep = Annotated[Replies, Depends(_replies)]


async def _transaction(request: Request) -> AsyncIterator[AsyncSession]:
    async with services_of(request).database.transaction() as session:
        yield session


# Function scope: it commits before the answer is sent. FastAPI's default is after: a 201 for what is not stored.
TransactionDep = Annotated[AsyncSession, Depends(_transaction, scope="function")]
"""A session whose statements happen together or not at all, committed before the answer."""


def _in_digits(value: str) -> str:
    if not (value.isascii() and value.isdecimal()):
        raise ValueError("must be written in digits")
    return value


def _true_or_false(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true"


# As JSON writes them, and as they are documented: pydantic reads `1_0` as 10, and `off` as false.
InDigits = BeforeValidator(_in_digits)
TrueOrFalse = BeforeValidator(_true_or_false)
# What may be left out is documented without `null`, which is not the same.
A_STRING: Final = WithJsonSchema({"type": "string"})

RowIdPath = Annotated[int, Path(ge=1, le=MAX_BIGINT), InDigits]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT), InDigits]
After = Annotated[str | None, A_STRING, Query(description="The `next_cursor` of the previous page.")]
IdempotencyKey = Annotated[
    UUID | None,
    WithJsonSchema({"type": "string", "format": "uuid"}),
    Header(
        alias="Idempotency-Key",
        description="A UUID of your own for this request. Repeat the request with it as often as needed: it happens "
        "once, and each time the first result is returned.",
    ),
]
