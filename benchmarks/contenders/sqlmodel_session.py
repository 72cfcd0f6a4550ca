"""A SQLModel session for each call, as in the tutorials."""

from typing import Any

from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.db.models import Conversation, Message, Role, Task
from benchmarks.contenders.base import PAGE, POOL_SIZE, Contender, Place


class SqlmodelSession(Contender):
    """`add`, `commit`, `refresh`; `exec(select(...))`."""

    how = "`async with AsyncSession(engine)`: `add`, `commit`, `refresh`, `exec(select(Model))`; gives live ORM objects"
    packages = ("sqlmodel", "sqlalchemy", "asyncpg")
    pre_ping = False

    async def open(self, url: str, place: Place) -> None:
        self._place = place
        self._engine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://").partition("?")[0],
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_pre_ping=self.pre_ping,
            pool_timeout=60,
        )

    async def close(self) -> None:
        await self._engine.dispose()

    def _session(self) -> AsyncSession:
        return AsyncSession(self._engine)

    async def _saved(self, session: AsyncSession, row: Any) -> Any:
        session.add(row)
        await session.commit()
        await session.refresh(row)
        return row

    async def create(self, title: str) -> Any:
        async with self._session() as session:
            return await self._saved(session, Task(user_id=self._place.user, title=title))

    async def get(self, task: int) -> Any:
        async with self._session() as session:
            return (await session.exec(self._task(task))).one()

    def _task(self, task: int) -> Any:
        return select(Task).where(Task.user_id == self._place.user, Task.id == task)

    async def page(self) -> Any:
        statement = select(Task).where(Task.user_id == self._place.user).order_by(col(Task.id).desc().nulls_last())
        async with self._session() as session:
            return (await session.exec(statement.limit(PAGE))).all()

    async def update(self, task: int, title: str) -> Any:
        async with self._session() as session:
            found = (await session.exec(self._task(task))).one()
            found.title = title
            return await self._saved(session, found)

    async def delete(self, task: int) -> Any:
        async with self._session() as session:
            await session.delete((await session.exec(self._task(task))).one())
            await session.commit()

    async def append(self, role: str, content: str) -> Any:
        place = self._place
        touch = update(Conversation).where(
            col(Conversation.user_id) == place.user, col(Conversation.id) == place.conversation
        )
        message = Message(user_id=place.user, conversation_id=place.conversation, role=Role(role), content=content)
        async with self._session() as session:
            await session.exec(touch.values(updated_at=func.clock_timestamp()))
            return await self._saved(session, message)

    async def latest(self) -> Any:
        statement = select(Message).where(
            Message.conversation_id == self._place.conversation, Message.user_id == self._place.user
        )
        async with self._session() as session:
            found = await session.exec(statement.order_by(col(Message.id).desc().nulls_last()).limit(PAGE))
            return found.all()[::-1]


class SqlmodelSessionWithPing(SqlmodelSession):
    """With the ping that most guides advise."""

    how = "the same with `pool_pre_ping=True`, as most guides then advise"
    pre_ping = True


class TunedSqlmodelSession(SqlmodelSession):
    """Without extra round trips: no ping, no refresh, no expiry."""

    how = "the same with `expire_on_commit=False` and no `refresh`: the values that the database sets come by RETURNING"

    def _session(self) -> AsyncSession:
        return AsyncSession(self._engine, expire_on_commit=False)

    async def _saved(self, session: AsyncSession, row: Any) -> Any:
        session.add(row)
        await session.commit()
        return row
