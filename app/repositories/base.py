"""What all repositories repeat: check the arguments, run a statement, turn rows into read models."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Generic, TypeVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Executable,
    Label,
    ScalarSelect,
    Select,
    String,
    bindparam,
    cast,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Enum, TypeEngine
from sqlmodel import SQLModel

from app.db import Database
from app.db.engine.direct import PINNED, Rows
from app.db.engine.translation import translating
from app.db.errors import (
    ConflictError,
    DataAccessError,
    InvalidInputError,
    NotFoundError,
    TransientError,
)
from app.db.models.base import ReadModel, RowId, UserId, table_of

MAX_LIMIT: Final = 1000
"""The longest page."""

Read = TypeVar("Read", bound=ReadModel)
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


def read(*columns: ColumnElement[Any]) -> Select[Any]:
    """Return a SELECT that a `Database` may repeat when its connection breaks: asking twice is harmless."""
    return select(*columns).execution_options(repeatable=True)


def _without_length(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    return String() if isinstance(type_, String | Enum) and type_.length else type_


class Repository(Generic[Read]):
    """Runs statements on a `Database` (each its own transaction) or on an `AsyncSession` (the caller's)."""

    noun: ClassVar[str]
    read_model: type[Read]
    _reads: TypeAdapter[list[Read]]
    _dicts: Callable[[Rows], list[dict[str, Any]]]

    def __init_subclass__(cls) -> None:
        cls._reads = TypeAdapter(list[cls.read_model])  # type: ignore[name-defined]  # known when the class is made
        cls._dicts = staticmethod(_dicts_of(cls.read_model))

    def __init__(self, executor: Database | AsyncSession) -> None:
        self._executor = executor

    async def _execute(self, statement: Executable, user_id: str, **parameters: Any) -> Rows:
        """Run `statement`; `user_id` is checked and bound here, for every statement of every repository."""
        parameters["p_user_id"] = checked_user_id(user_id)
        if isinstance(self._executor, Database):
            return await self._executor.fetch(statement, parameters)
        with translating():
            result = await self._executor.execute(statement, parameters, execution_options=PINNED)
            return result.mappings().all()

    async def _fetch(self, statement: Executable, user_id: str, **parameters: Any) -> list[Read]:
        """Return the rows of `statement`, whose columns are those of `pinned`, as read models."""
        rows = await self._execute(statement, user_id, **parameters)
        return self._reads.validate_python(self._dicts(rows))  # all in one call: a third less than one by one

    async def _fetch_once(
        self,
        statement: Executable,
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
            row = next(iter(await self._execute(statement, user_id, **parameters)), None)
            if row and not row[SAME]:
                raise ConflictError(f"{_KEY_NAME} {key}: another {self.noun} was written with it")
            if row:
                return self.read_model.model_validate(dict(row))
        raise missing or TransientError(f"{_KEY_NAME} {key}: its {self.noun} is being written and deleted")

    def _one(self, rows: list[Read], id: int) -> Read:
        if not rows:
            raise self._not_found(id)
        return rows[0]

    def _not_found(self, id: int) -> NotFoundError:
        return NotFoundError(f"{self.noun} {id} not found")


def _dicts_of(model: type[ReadModel]) -> Callable[[Rows], list[dict[str, Any]]]:
    """Return a function that turns rows of `pinned` columns into dicts.

    Generated, as a dataclass's ``__init__`` is: only a display with its keys written out is made in half the time of
    ``dict(row.items())``, and that is a tenth of what a page costs.
    """
    values = [f"value_{place}" for place in range(len(model.model_fields))]
    display = ", ".join(f"{name!r}: {value}" for name, value in zip(model.model_fields, values, strict=True))
    source = f"lambda rows: [{{{display}}} for row in rows for {', '.join(values)} in (row.values(),)]"
    dicts: Callable[[Rows], list[dict[str, Any]]] = eval(source)  # noqa: S307 - of our models' names
    return dicts


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
