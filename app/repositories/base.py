"""What all repositories repeat: check the arguments, run a statement, turn rows into read models."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Generic, TypeVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Label,
    ScalarSelect,
    String,
    bindparam,
    cast,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Enum, TypeDecorator, TypeEngine
from sqlmodel import SQLModel

from app.db.errors import (
    ConflictError,
    DataAccessError,
    InvalidInputError,
    NotFoundError,
    TransientError,
)
from app.db.executor import Executor, executor_of
from app.db.models.base import ReadModel, RowId, UserId, table_of
from app.db.query import Query, Record

MAX_LIMIT: Final = 1000
"""The longest page."""

Read = TypeVar("Read", bound=ReadModel)
Row = TypeVar("Row")
Value = TypeVar("Value")
_USER_ID: TypeAdapter[str] = TypeAdapter(UserId)
_ROW_ID: TypeAdapter[int] = TypeAdapter(RowId)
_KEY: TypeAdapter[UUID] = TypeAdapter(UUID)
_KEY_NAME: Final = "idempotency_key"

# Parameters begin with `p_`: SQLAlchemy keeps the names of columns for itself in INSERT and UPDATE.
P_USER_ID: BindParameter[str] = bindparam("p_user_id", type_=String())
P_ID: BindParameter[int] = bindparam("p_id", type_=BigInteger())
P_LIMIT: BindParameter[int] = bindparam("p_limit", type_=BigInteger())
SAME: Final = "same_data"
"""The column that says whether a key's row was written with the data of this call (see `once`)."""


def unseen(parameter: BindParameter[Any]) -> ScalarSelect[Any]:
    """Return the place where a page begins so that the planner does not see its value.

    Else, where it is near an end of the primary key, everybody's rows are read from there and sorted (measured: 1,100
    for a page of 50). A page is planned alike wherever it begins.
    """
    return select(parameter).scalar_subquery()


P_PLACE: Final = unseen(bindparam("p_place", type_=BigInteger()))


def pinned(table: type[SQLModel], model: type[ReadModel]) -> list[Label[Any]]:
    """Return the columns of `table` that `model` reads, each cast to its own type.

    The cast pins the type of the result: a column widened or retyped under a running process is then read right,
    direct and through any pooler (FACTS). The type is without its length, which a later migration may raise.
    """
    columns = table_of(table).columns
    return [cast(columns[name], _without_length(columns[name].type)).label(name) for name in model.model_fields]


def _without_length(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    if isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance  # what it converts on the way out, the driver gives already: times are in UTC
    return String() if isinstance(type_, String | Enum) and type_.length else type_


class Repository(Generic[Read]):
    """Runs statements on a `Database` (each its own transaction) or on an `AsyncSession` (the caller's)."""

    noun: ClassVar[str]
    read_model: type[Read]

    def __init__(self, executor: Executor | AsyncSession) -> None:
        self._executor = executor_of(executor)

    async def _fetch(self, query: Query[Row], user_id: str, **parameters: Any) -> list[Row]:
        """Return the rows of `query`; `user_id` is checked and bound here, for every query of every repository."""
        parameters["p_user_id"] = checked_user_id(user_id)
        return await self._executor.fetch(query, parameters)

    async def _fetch_once(
        self,
        query: Query[Record],
        user_id: str,
        key: UUID,
        *,
        missing: DataAccessError | None = None,
        **parameters: Any,
    ) -> Read:
        """Return the row that was first written with `key`; raises `ConflictError` if that was with other data.

        Asked again where there is none: another call wrote it while the statement ran. Then raises `missing`.
        """
        parameters["p_idempotency_key"] = checked_key(key)
        for _ in range(2):
            row = next(iter(await self._fetch(query, user_id, **parameters)), None)
            if row and not row[SAME]:
                raise ConflictError(f"{_KEY_NAME} {key}: another {self.noun} was written with it")
            if row:
                return self.read_model.model_validate(row)
        raise missing or TransientError(f"{_KEY_NAME} {key}: its {self.noun} is being written and deleted")

    def _one(self, rows: list[Read], id: int) -> Read:
        if not rows:
            raise self._not_found(id)
        return rows[0]

    def _not_found(self, id: int) -> NotFoundError:
        return NotFoundError(f"{self.noun} {id} not found")


def checked_user_id(user_id: str) -> str:
    """Return `user_id` if it can be one; raises `InvalidInputError`."""
    return _checked(_USER_ID, "user_id", user_id)


def checked_id(id: int, *, name: str = "id") -> int:
    """Return `id` if it fits into 64 bits; raises `InvalidInputError`."""
    return _checked(_ROW_ID, name, id)


def checked_key(key: UUID) -> UUID:
    """Return `key` if it can be one; raises `InvalidInputError`."""
    return _checked(_KEY, _KEY_NAME, key)


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
        raise InvalidInputError(f"{name}: {problem['msg']}") from None
