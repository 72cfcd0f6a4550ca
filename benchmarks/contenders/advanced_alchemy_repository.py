"""Advanced Alchemy's repository."""

from datetime import datetime
from typing import Any

from advanced_alchemy.base import IdentityBase
from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import DateTime, ForeignKey, func
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Mapped, mapped_column

from benchmarks.contenders.base import PAGE, POOL_SIZE, Contender, Place

_ZONED = DateTime(timezone=True)


class _Task(IdentityBase):
    __tablename__ = "task"
    user_id: Mapped[str]
    title: Mapped[str]
    description: Mapped[str | None]
    completed: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(_ZONED, server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(_ZONED, server_default=func.clock_timestamp())


class _Conversation(IdentityBase):
    __tablename__ = "conversation"
    user_id: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(_ZONED, server_default=func.clock_timestamp())


class _Message(IdentityBase):
    __tablename__ = "message"
    user_id: Mapped[str]
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"))
    role: Mapped[str]
    content: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(_ZONED, server_default=func.clock_timestamp())


class _Tasks(SQLAlchemyAsyncRepository[_Task]):
    model_type = _Task


class _Conversations(SQLAlchemyAsyncRepository[_Conversation]):
    model_type = _Conversation


class _Messages(SQLAlchemyAsyncRepository[_Message]):
    model_type = _Message


class AdvancedAlchemy(Contender):
    """`SQLAlchemyAsyncRepository` with a session for each call."""

    how = "`SQLAlchemyAsyncRepository(session=...)`, `auto_commit=True`, one session for each call; gives ORM objects"
    packages = ("advanced-alchemy", "sqlalchemy", "asyncpg")

    async def open(self, url: str, place: Place) -> None:
        self._place = place
        address = url.replace("postgresql://", "postgresql+asyncpg://").partition("?")[0]
        self._engine = create_async_engine(address, pool_size=POOL_SIZE, max_overflow=0, pool_timeout=60)
        self._session = async_sessionmaker(self._engine, expire_on_commit=False)

    async def close(self) -> None:
        await self._engine.dispose()

    async def create(self, title: str) -> Any:
        async with self._session() as session:
            return await _Tasks(session=session).add(_Task(user_id=self._place.user, title=title), auto_commit=True)

    async def get(self, task: int) -> Any:
        async with self._session() as session:
            return await _Tasks(session=session).get_one(id=task, user_id=self._place.user)

    async def page(self) -> Any:
        async with self._session() as session:
            return await _Tasks(session=session).list(
                LimitOffset(PAGE, 0), OrderBy("id", "desc"), user_id=self._place.user
            )

    async def update(self, task: int, title: str) -> Any:
        async with self._session() as session:
            tasks = _Tasks(session=session)
            found = await tasks.get_one(id=task, user_id=self._place.user)
            found.title = title
            return await tasks.update(found, auto_commit=True)

    async def delete(self, task: int) -> Any:
        async with self._session() as session:
            return await _Tasks(session=session).delete_where(id=task, user_id=self._place.user, auto_commit=True)

    async def append(self, role: str, content: str) -> Any:
        place = self._place
        async with self._session() as session:
            conversations = _Conversations(session=session)
            conversation = await conversations.get_one(id=place.conversation, user_id=place.user)
            conversation.updated_at = func.clock_timestamp()
            message = _Message(user_id=place.user, conversation_id=place.conversation, role=role, content=content)
            return await _Messages(session=session).add(message, auto_commit=True)

    async def latest(self) -> Any:
        place = self._place
        async with self._session() as session:
            found = await _Messages(session=session).list(
                LimitOffset(PAGE, 0),
                OrderBy("id", "desc"),
                user_id=place.user,
                conversation_id=place.conversation,
            )
            return found[::-1]
