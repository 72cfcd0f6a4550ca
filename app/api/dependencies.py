"""What handlers take: the user, the repositories, and parameters of one form."""

from collections.abc import AsyncIterator
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BeforeValidator, WithJsonSchema
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.errors import NotAuthenticatedError
from app.api.readiness import Readiness
from app.api.replies import Replies
from app.api.services import Services, services_of
from app.db.models.base import MAX_BIGINT
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from app.repositories.checks import MAX_LIMIT

ServicesDep = Annotated[Services, Depends(services_of)]

_bearer = HTTPBearer(bearerFormat="JWT", auto_error=False)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


def _user_id(request: Request, _: Credentials) -> str:
    user_id = request.state.user_id
    if user_id is None:  # the path was made public, and the route asks for a user all the same
        raise NotAuthenticatedError
    return str(user_id)


UserIdDep = Annotated[str, Depends(_user_id)]
"""The user whose token the gate verified: the only way by which a user id comes in."""


def _tasks(services: ServicesDep) -> TaskRepo:
    return TaskRepo(services.database)


def _conversations(services: ServicesDep) -> ConversationRepo:
    return ConversationRepo(services.database)


def _messages(services: ServicesDep) -> MessageRepo:
    return MessageRepo(services.database)


def _readiness(services: ServicesDep) -> Readiness:
    return services.readiness


def _replies(services: ServicesDep) -> Replies:
    return services.replies


TaskRepoDep = Annotated[TaskRepo, Depends(_tasks)]
ConversationRepoDep = Annotated[ConversationRepo, Depends(_conversations)]
MessageRepoDep = Annotated[MessageRepo, Depends(_messages)]
ReadinessDep = Annotated[Readiness, Depends(_readiness)]
RepliesDep = Annotated[Replies, Depends(_replies)]


async def _transaction(services: ServicesDep) -> AsyncIterator[AsyncSession]:
    async with services.database.transaction() as session:
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
After = Annotated[str | None, A_STRING, Query(description="The `next_cursor` of the page before.")]
IdempotencyKey = Annotated[
    UUID | None,
    WithJsonSchema({"type": "string", "format": "uuid"}),
    Header(
        alias="Idempotency-Key",
        description="A UUID of your own for this request. Repeat the request with it as often as needed: it happens "
        "once, and each time the first result is returned.",
    ),
]
