"""Tortoise ORM."""

from typing import Any

from tortoise import Tortoise, fields
from tortoise.models import Model
from tortoise.timezone import now
from tortoise.transactions import in_transaction

from benchmarks.contenders.base import PAGE, POOL_SIZE, Contender, Place


class Task(Model):
    id = fields.BigIntField(primary_key=True)
    user_id = fields.CharField(255)
    title = fields.CharField(200)
    description = fields.CharField(1000, null=True)
    completed = fields.BooleanField(default=False)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "task"


class Conversation(Model):
    id = fields.BigIntField(primary_key=True)
    user_id = fields.CharField(255)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "conversation"


class Message(Model):
    id = fields.BigIntField(primary_key=True)
    user_id = fields.CharField(255)
    conversation_id = fields.BigIntField()
    role = fields.CharField(16)
    content = fields.TextField()
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "message"


class TortoiseOrm(Contender):
    """Models with `create`, `get`, `filter`, `save`."""

    how = "`Model.create`, `.get`, `.filter(...).limit(50)`, `.save(update_fields=...)`; its times are the client's"
    packages = ("tortoise-orm", "asyncpg")

    async def open(self, url: str, place: Place) -> None:
        self._place = place
        address = url.replace("postgresql://", "asyncpg://").partition("?")[0]
        await Tortoise.init(db_url=f"{address}?minsize=1&maxsize={POOL_SIZE}", modules={"models": [__name__]})

    async def close(self) -> None:
        await Tortoise.close_connections()

    async def create(self, title: str) -> Any:
        return await Task.create(user_id=self._place.user, title=title)

    async def get(self, task: int) -> Any:
        return await Task.get(id=task, user_id=self._place.user)

    async def page(self) -> Any:
        return await Task.filter(user_id=self._place.user).order_by("-id").limit(PAGE)

    async def update(self, task: int, title: str) -> Any:
        found = await Task.get(id=task, user_id=self._place.user)
        found.title = title
        await found.save(update_fields=["title"])
        return found

    async def delete(self, task: int) -> Any:
        return await Task.filter(id=task, user_id=self._place.user).delete()

    async def append(self, role: str, content: str) -> Any:
        place = self._place
        async with in_transaction():
            await Conversation.filter(id=place.conversation, user_id=place.user).update(updated_at=now())
            return await Message.create(
                user_id=place.user, conversation_id=place.conversation, role=role, content=content
            )

    async def latest(self) -> Any:
        place = self._place
        mine = Message.filter(conversation_id=place.conversation, user_id=place.user)
        return (await mine.order_by("-id").limit(PAGE))[::-1]
