"""Our layer."""

from app.db import Database, DatabaseSettings
from app.db.models import MessageCreate, MessageRead, Role, TaskCreate, TaskRead, TaskUpdate
from app.repositories import MessageRepo, Page, TaskRepo
from benchmarks.contenders.base import ANSWER, PAGE, QUESTION, Contender, Place


class Ours(Contender):
    """The repositories on a `Database`."""

    how = "`TaskRepo(db)`, `MessageRepo(db)`; gives validated, immutable read models; a page reads a 51st row"
    packages = ("sqlalchemy", "asyncpg", "pydantic")

    async def open(self, url: str, place: Place) -> None:
        self._place = place
        self._db = Database(DatabaseSettings(url=url))
        self._tasks, self._messages = TaskRepo(self._db), MessageRepo(self._db)

    async def close(self) -> None:
        await self._db.close()

    async def create(self, title: str) -> TaskRead:
        return await self._tasks.create(self._place.user, TaskCreate(title=title))

    async def get(self, task: int) -> TaskRead:
        return await self._tasks.get(self._place.user, task)

    async def page(self) -> Page[TaskRead]:
        return await self._tasks.list_page(self._place.user, limit=PAGE)

    async def update(self, task: int, title: str) -> TaskRead:
        return await self._tasks.update(self._place.user, task, TaskUpdate(title=title))

    async def delete(self, task: int) -> None:
        await self._tasks.delete(self._place.user, task)

    async def append(self, role: str, content: str) -> MessageRead:
        message = MessageCreate(role=Role(role), content=content)
        return await self._messages.append(self._place.user, self._place.conversation, message)

    async def latest(self) -> list[MessageRead]:
        return await self._messages.latest(self._place.user, self._place.conversation, limit=PAGE)

    async def turn(self) -> MessageRead:
        place = (self._place.user, self._place.conversation)
        question = MessageCreate(role=Role.USER, content=QUESTION)
        await self._messages.append_with_history(*place, question, limit=PAGE)
        return await self._messages.append(*place, MessageCreate(role=Role.ASSISTANT, content=ANSWER))
