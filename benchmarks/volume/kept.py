"""The table, made once and kept; each measurement has a copy."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg

from app.db import Database, DatabaseSettings
from app.db.migrations import upgrade
from app.embedded import EmbeddedPostgres, default_data_folder
from benchmarks.growth import grow
from benchmarks.server import create_database, url_of

MESSAGES: Final = 10_000_000
CHARACTERS: Final = 120
CONTENT: Final = "hello " * (CHARACTERS // 6)
EACH: Final = 100
"""Messages for each conversation."""
EACH_USER: Final = 10
"""Conversations for each user."""
_SETTINGS = {"max_connections": "100", "shared_buffers": "512MB", "max_wal_size": "4GB"}
_QUICKLY = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off", "synchronous_commit": "off"}
_CHUNK = 1_000_000
_CONVERSATIONS = (
    f"insert into conversation (user_id) select 'volume-' || n / {EACH_USER} from generate_series(0, $1::bigint - 1) n"
)
# Conversations by turns in an order of its own, as messages of many users come in.
_MESSAGES = f"""
insert into message (user_id, conversation_id, role, content)
select 'volume-' || k / {EACH_USER}, $1::bigint + k, 'user', '{CONTENT}'
from (select (n * 7919) % $2::bigint as k from generate_series($3::bigint, $4::bigint) n)"""
_DONE = "select count(*) from message where user_id like 'volume-%'"
FIRST: Final = "select min(id) from conversation where user_id = 'volume-0'"
_IS_THERE = "select exists (select from pg_database where datname = $1)"
_MADE = "select shobj_description(oid, 'pg_database') from pg_database where datname = $1"


@dataclass(frozen=True)
class Kept:
    """A database that `messages` messages were written to."""

    messages: int = MESSAGES
    folder: Path = field(default_factory=lambda: default_data_folder("volume"))

    @property
    def name(self) -> str:
        """The database's name."""
        return f"volume-{self.messages}"

    @property
    def conversations(self) -> int:
        """The number of conversations that the messages are in."""
        return self.messages // EACH

    async def make(self) -> float:
        """Make it, or go on where an earlier run was ended; return the seconds that it took when it was made."""
        with self._server(**_QUICKLY) as port:
            observer = await asyncpg.connect(url_of(port, "postgres"))
            is_new = not await observer.fetchval(_IS_THERE, self.name)
            url = await create_database(port, self.name) if is_new else url_of(port, self.name)
            async with Database(DatabaseSettings(url=url)) as db:
                await upgrade(db.engine)  # a kept one may be of an older head
            made = await observer.fetchval(_MADE, self.name)
            if made is None:
                made = json.dumps({"seconds": await self._fill(url)})
                await observer.execute(f"comment on database \"{self.name}\" is '{made}'")
            await observer.close()
        return float(json.loads(made)["seconds"])

    async def _fill(self, url: str) -> float:
        began = time.monotonic()
        print(f"making {self.messages:,} messages, once: a few minutes; `make bench args=--no-volume` goes without")
        connection = await asyncpg.connect(url, command_timeout=3600)
        if await connection.fetchval(FIRST) is None:
            await grow(url, largest_exponent=4)  # the users whose calls are measured
            await connection.execute(_CONVERSATIONS, self.conversations)
        first = await connection.fetchval(FIRST)
        await connection.execute("set session_replication_role = replica")  # foreign keys are not checked for each row
        for begin in range(await connection.fetchval(_DONE), self.messages, _CHUNK):
            end = min(begin + _CHUNK, self.messages)
            await connection.execute(_MESSAGES, first, self.conversations, begin, end - 1)
            print(f"{end:,} messages are made", flush=True)
        await connection.execute("vacuum analyze")
        await connection.close()
        return time.monotonic() - began

    @asynccontextmanager
    async def copied(self) -> AsyncIterator[str]:
        """Yield the URL of a copy, which writes to disk and vacuums as in production; it is dropped at the end."""
        copy = f"{self.name}-copy"
        with self._server() as port:
            observer = await asyncpg.connect(url_of(port, "postgres"), command_timeout=3600)
            await _drop(observer, copy)  # an earlier run was ended
            await observer.execute(f'create database "{copy}" template "{self.name}" strategy file_copy')
            try:
                yield url_of(port, copy)
            finally:
                await _drop(observer, copy)
                await observer.close()

    @contextmanager
    def _server(self, **settings: str) -> Iterator[int]:
        with EmbeddedPostgres(self.folder, port=0, settings={**_SETTINGS, **settings}) as postgres:
            yield postgres.port


async def _drop(observer: Any, name: str) -> None:
    await observer.execute(f'drop database if exists "{name}" with (force)')
