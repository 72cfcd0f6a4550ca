"""SQLAlchemy Core in AUTOCOMMIT: what the library below this layer does by itself."""

from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Executable,
    Row,
    Select,
    bindparam,
    delete,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.models import Conversation, Message, Task
from benchmarks.contenders.base import PAGE, POOL_SIZE, Contender, Place

_TASK, _CONVERSATION, _MESSAGE = (model.metadata.tables[model.__tablename__] for model in (Task, Conversation, Message))
_USER: Final[BindParameter[Any]] = bindparam("mine")
_ID: Final[BindParameter[Any]] = bindparam("chosen")
_LIMIT: Final[BindParameter[Any]] = bindparam("most")
_ONE = (_TASK.c.user_id == _USER, _TASK.c.id == _ID)


def _append() -> Executable:
    conversation = _CONVERSATION.c
    touched = (
        update(_CONVERSATION)
        .where(conversation.user_id == _USER, conversation.id == _ID)
        .values(updated_at=conversation.updated_at)
        .returning(conversation.user_id, conversation.id, conversation.updated_at)
        .cte("touched")
    )
    values = select(
        touched.c.user_id,
        touched.c.id,
        bindparam("role", type_=_MESSAGE.c.role.type),
        bindparam("content", type_=_MESSAGE.c.content.type),
        touched.c.updated_at,
    )
    columns = ["user_id", "conversation_id", "role", "content", "created_at"]
    return insert(_MESSAGE).from_select(columns, values, include_defaults=False).returning(_MESSAGE)


def _latest() -> Select[Any]:
    mine = select(_MESSAGE).where(_MESSAGE.c.conversation_id == _ID, _MESSAGE.c.user_id == _USER)
    return mine.order_by(_MESSAGE.c.id.desc().nulls_last()).limit(_LIMIT)


_CREATE: Final = (
    insert(_TASK)
    .values(user_id=_USER, title=bindparam("text"), description=None, completed=literal_column("false"))
    .returning(_TASK)
)
_GET: Final = select(_TASK).where(*_ONE)
_PAGE: Final = select(_TASK).where(_TASK.c.user_id == _USER).order_by(_TASK.c.id.desc().nulls_last()).limit(_LIMIT)
_UPDATE: Final = update(_TASK).where(*_ONE).values(title=bindparam("text")).returning(_TASK)
_DELETE: Final = delete(_TASK).where(*_ONE).returning(_TASK.c.id)
_APPEND: Final = _append()
_LATEST: Final = _latest()


class SqlalchemyCore(Contender):
    """Statements that are built once, each run on a connection in AUTOCOMMIT."""

    how = (
        '`async with engine.connect() as c: await c.execute(statement, values)` with `isolation_level="AUTOCOMMIT"`, '
        "the statements built once; gives Rows"
    )
    packages = ("sqlalchemy", "asyncpg")

    async def open(self, url: str, place: Place) -> None:
        self._place = place
        self._engine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://").partition("?")[0],
            isolation_level="AUTOCOMMIT",
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_timeout=60,
        )

    async def close(self) -> None:
        await self._engine.dispose()

    async def _rows(self, statement: Executable, **values: Any) -> list[Row[Any]]:
        async with self._engine.connect() as connection:
            return list(await connection.execute(statement, {"mine": self._place.user, **values}))

    async def create(self, title: str) -> Any:
        return (await self._rows(_CREATE, text=title))[0]

    async def get(self, task: int) -> Any:
        return (await self._rows(_GET, chosen=task))[0]

    async def page(self) -> Any:
        return await self._rows(_PAGE, most=PAGE)

    async def update(self, task: int, title: str) -> Any:
        return (await self._rows(_UPDATE, chosen=task, text=title))[0]

    async def delete(self, task: int) -> Any:
        return (await self._rows(_DELETE, chosen=task))[0]

    async def append(self, role: str, content: str) -> Any:
        return (await self._rows(_APPEND, chosen=self._place.conversation, role=role, content=content))[0]

    async def latest(self) -> Any:
        return (await self._rows(_LATEST, chosen=self._place.conversation, most=PAGE))[::-1]
