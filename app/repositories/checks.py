"""The arguments that all repositories take, checked before anything is sent."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import ConfigDict, TypeAdapter, ValidationError

from app.db.errors import InvalidInputError
from app.db.invalid import words_of
from app.db.models.base import RowId, UserId

MAX_LIMIT: Final = 1000
"""The longest page."""

Value = TypeVar("Value")
_DEFERRED: Final = ConfigDict(defer_build=True)
_USER_ID: TypeAdapter[str] = TypeAdapter(UserId, config=_DEFERRED)
_ROW_ID: TypeAdapter[int] = TypeAdapter(RowId, config=_DEFERRED)
_KEY: TypeAdapter[UUID] = TypeAdapter(UUID, config=_DEFERRED)


def checked_user_id(user_id: str) -> str:
    """Return `user_id` if it can be one; raises `InvalidInputError`."""
    return _checked(_USER_ID, "user_id", user_id)


def checked_id(id: int, *, name: str = "id") -> int:
    """Return `id` if it fits into 64 bits; raises `InvalidInputError`."""
    return _checked(_ROW_ID, name, id)


def checked_key(key: UUID) -> UUID:
    """Return the idempotency key if it is a UUID; raises `InvalidInputError`."""
    return _checked(_KEY, "idempotency_key", key)


def checked_limit(limit: int) -> int:
    """Return `limit` if a page can have it; raises `InvalidInputError`."""
    if type(limit) is not int or not 1 <= limit <= MAX_LIMIT:
        raise InvalidInputError(f"limit must be between 1 and {MAX_LIMIT}")
    return limit


def _checked(adapter: TypeAdapter[Value], name: str, value: object) -> Value:
    try:
        return adapter.validate_python(value, strict=True)
    except ValidationError as error:
        problem: Mapping[str, Any] = error.errors(include_input=False, include_url=False)[0]
        raise InvalidInputError(f"{name}: {words_of(problem)}") from None
