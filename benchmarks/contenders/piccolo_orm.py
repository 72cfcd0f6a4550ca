"""Piccolo."""

from typing import Any

from piccolo.columns import BigInt, BigSerial, Boolean, Text, Timestamptz, Varchar
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.engine.postgres import PostgresEngine
from piccolo.table import Table

from benchmarks.contenders.base import PAGE, POOL_SIZE, Contender, Place


class Task(Table):
    id = BigSerial(primary_key=True)
    user_id = Varchar()
    title = Varchar(length=200)
    description = Varchar(length=1000, null=True, default=None)
    completed = Boolean(default=False)
    created_at = Timestamptz(default=TimestamptzNow())
    updated_at = Timestamptz(default=TimestamptzNow())


class Conversation(Table):
    id = BigSerial(primary_key=True)
    user_id = Varchar()
    updated_at = Timestamptz(default=TimestamptzNow())


class Message(Table):
    id = BigSerial(primary_key=True)
    user_id = Varchar()
    conversation_id = BigInt()
    role = Varchar(length=16)
    content = Text()
    created_at = Timestamptz(default=TimestamptzNow())


class PiccoloOrm(Contender):
    """Its query builder on its connection pool."""

    how = "`insert().returning()`, `select().where()`, `update().returning()`; gives dicts; its times are the client's"
    packages = ("piccolo", "asyncpg")

    async def open(self, url: str, place: Place) -> None:
        self._place = place
        self._engine = PostgresEngine(config={"dsn": url})
        for table in Table.__subclasses__():
            table._meta.db = self._engine  # noqa: SLF001 - its documentation uses a piccolo_conf.py in the path
        await self._engine.start_connection_pool(min_size=1, max_size=POOL_SIZE)

    async def close(self) -> None:
        await self._engine.close_connection_pool()

    def _mine(self, task: int) -> Any:
        return (Task.user_id == self._place.user) & (Task.id == task)

    async def create(self, title: str) -> Any:
        task = Task(user_id=self._place.user, title=title)
        return (await Task.insert(task).returning(*Task.all_columns()))[0]

    async def get(self, task: int) -> Any:
        return await Task.select().where(self._mine(task)).first()

    async def page(self) -> Any:
        mine = Task.select().where(Task.user_id == self._place.user)
        return await mine.order_by(Task.id, ascending=False).limit(PAGE)

    async def update(self, task: int, title: str) -> Any:
        return (await Task.update({Task.title: title}).where(self._mine(task)).returning(*Task.all_columns()))[0]

    async def delete(self, task: int) -> Any:
        return await Task.delete().where(self._mine(task))

    async def append(self, role: str, content: str) -> Any:
        place = self._place
        touch = Conversation.update({Conversation.updated_at: TimestamptzNow().python()})
        message = Message(user_id=place.user, conversation_id=place.conversation, role=role, content=content)
        async with self._engine.transaction():
            await touch.where((Conversation.id == place.conversation) & (Conversation.user_id == place.user))
            return (await Message.insert(message).returning(*Message.all_columns()))[0]

    async def latest(self) -> Any:
        place = self._place
        mine = (Message.conversation_id == place.conversation) & (Message.user_id == place.user)
        return (await Message.select().where(mine).order_by(Message.id, ascending=False).limit(PAGE))[::-1]
