"""A message is stored with its history, which is then read a second time: only where it waited for another message.

Not on the forms of a sharded database, whose functions see in each step what was committed before it.
"""

import asyncio
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import OutcomeUnknownError
from app.db.models import MessageCreate
from app.repositories import ConversationRepo, MessageRepo
from tests.support.waiting import until, until_locked

HI = MessageCreate(role="user", content="hi")


@pytest.mark.parametrize("key", [None, uuid4()], ids=["plain", "keyed"])
async def test_a_history_that_cannot_be_read_does_not_hide_that_the_message_is_stored(
    migrated_url: str, db: Database, user_id: str, key: UUID | None
) -> None:
    """It waited for another message, and then its second statement gets no connection: to repeat would double it."""
    conversation_id = (await ConversationRepo(db).create(user_id)).id
    busy = Database(DatabaseSettings(url=migrated_url, pool_size=1, pool_timeout_seconds=1))
    async with busy:
        append = partial(MessageRepo(busy).append_with_history, user_id, conversation_id, HI, idempotency_key=key)
        async with db.transaction() as session:
            await MessageRepo(session).append(user_id, conversation_id, HI)
            waiting = asyncio.create_task(append())
            await until_locked(db)
            next_in_queue = asyncio.create_task(busy.execute(text("select pg_sleep(2)")))
            await until(lambda: busy.pool_status().waiting == 1)
        with pytest.raises(
            OutcomeUnknownError, match=r"message \d+ is stored, but .*: no connection came free"
        ) as caught:
            await waiting
        await next_in_queue
        assert caught.value.retryable == bool(key)
        if key:
            await append()
    assert len(await MessageRepo(db).latest(user_id, conversation_id)) == 2
