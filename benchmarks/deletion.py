"""Delete the longest conversation, on a server that writes to disk as in production."""

import time

import asyncpg

from app.db import Database, DatabaseSettings
from app.embedded import EmbeddedPostgres
from app.repositories import ConversationRepo
from benchmarks.server import create_database

_MESSAGES = """
insert into message (user_id, conversation_id, role, content)
select 'deletion', $1, 'user', repeat('hello ', 20) from generate_series(1, $2::int)"""


async def deletion_seconds(*, messages: int) -> float:
    """Return how long `ConversationRepo.delete` takes, with default settings and fsync on."""
    with EmbeddedPostgres(port=0, settings={"fsync": "on", "full_page_writes": "on"}) as postgres:
        url = await create_database(postgres.port, "deletion")
        async with Database(DatabaseSettings(url=url)) as db:
            conversations = ConversationRepo(db)
            conversation = (await conversations.create("deletion")).id
            await _fill(url, conversation, messages)
            began = time.perf_counter()
            await conversations.delete("deletion", conversation)
            return time.perf_counter() - began


async def _fill(url: str, conversation: int, messages: int) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(_MESSAGES, conversation, messages, timeout=300)
    await connection.execute("checkpoint", timeout=300)  # the deletion then writes each page in full to the WAL
    await connection.close()
