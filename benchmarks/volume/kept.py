"""Measure what a large table costs: `python -m benchmarks.volume`; the table is made once and kept.

Counts, except for the slowest calls: buffers, bytes of WAL and of indexes, dead rows. The server writes to disk and
vacuums as in production.
"""

import argparse
import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import uvloop

from app.db import Database, DatabaseSettings
from app.db.models import MessageCreate, Role, TaskCreate, TaskUpdate
from app.embedded import EmbeddedPostgres, default_data_folder
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from benchmarks.growth import buffers, grow, slowest
from benchmarks.server import create_database, url_of
from benchmarks.volume_sizes import Sizes

_SETTINGS = {"max_connections": "100", "shared_buffers": "512MB", "max_wal_size": "4GB"}
_QUICKLY = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off", "synchronous_commit": "off"}
_CHUNK = 1_000_000
_EACH = 100
"""Messages for each conversation; ten conversations are of one user."""
_CALLERS = 20
_MESSAGE = MessageCreate(role=Role.USER, content="hello " * 20)
_CONVERSATIONS = (
    "insert into conversation (user_id) select 'volume-' || n / 10 from generate_series(0, $1::bigint - 1) n"
)
# Conversations by turns in an order of its own, as messages of many users come in.
_MESSAGES = f"""
insert into message (user_id, conversation_id, role, content)
select 'volume-' || k / 10, $1::bigint + k, 'user', '{_MESSAGE.content}'
from (select (n * 7919) % $2::bigint as k from generate_series($3::bigint, $4::bigint) n)"""
_DONE = "select count(*) from message where user_id like 'volume-%'"
_FIRST = "select min(id) from conversation where user_id = 'volume-0'"


@contextmanager
def _kept_server(**settings: str) -> Iterator[int]:
    with EmbeddedPostgres(default_data_folder("volume"), port=0, settings={**_SETTINGS, **settings}) as postgres:
        yield postgres.port


async def fill(port: int, name: str, messages: int) -> None:
    """Make the database, or go on where an earlier run was ended."""
    observer = await asyncpg.connect(url_of(port, "postgres"))
    is_new = not await observer.fetchval("select 1 from pg_database where datname = $1", name)
    await observer.close()
    url = await create_database(port, name) if is_new else url_of(port, name)
    connection = await asyncpg.connect(url, command_timeout=3600)
    if await connection.fetchval(_FIRST) is None:
        await grow(url, largest_exponent=4)  # the users whose calls are measured
        await connection.execute(_CONVERSATIONS, messages // _EACH)
    first = await connection.fetchval(_FIRST)
    await connection.execute("set session_replication_role = replica")  # foreign keys are not checked for each row
    done = await connection.fetchval(_DONE)
    if done < messages:
        for begin in range(done, messages, _CHUNK):
            end = min(begin + _CHUNK, messages)
            await connection.execute(_MESSAGES, first, messages // _EACH, begin, end - 1)
            print(f"{end:,} messages are made", flush=True)
        await connection.execute("vacuum analyze")
    await connection.close()


class Table:
    """The table of `fill`, and what is asked of it."""

    def __init__(self, db: Database, observer: Any, first: int, conversations: int) -> None:
        self._db, self._observer, self._first, self._conversations = db, observer, first, conversations
        self._chosen = random.Random(1)

    def _any(self) -> tuple[str, int]:
        chosen = self._chosen.randrange(self._conversations)
        return f"volume-{chosen // 10}", self._first + chosen

    async def append(self) -> None:
        """Append to a conversation chosen at random."""
        await MessageRepo(self._db).append(*self._any(), _MESSAGE)

    def writes(self) -> dict[str, tuple[Callable[[], Awaitable[Any]], int]]:
        """Return the writes by name, with the number of rows that one makes."""
        tasks, conversations, messages = TaskRepo(self._db), ConversationRepo(self._db), MessageRepo(self._db)
        task = TaskCreate(title="Buy milk")

        async def update() -> None:
            made = await tasks.create("volume-0", task)
            await tasks.update("volume-0", made.id, TaskUpdate(completed=True))

        return {
            "`TaskRepo.create`": (lambda: tasks.create(self._any()[0], task), 1),
            "the same and `TaskRepo.update`": (update, 1),
            "`ConversationRepo.create`": (lambda: conversations.create(self._any()[0]), 1),
            "`MessageRepo.append`, any conversation": (self.append, 1),
            "the same, one conversation": (lambda: messages.append("volume-0", self._first, _MESSAGE), 1),
            "the same, with a key": (lambda: messages.append(*self._any(), _MESSAGE, idempotency_key=uuid4()), 1),
            "`append_many` of 100, each": (lambda: messages.append_many(*self._any(), [_MESSAGE] * 100), 100),
        }

    async def wal_bytes(self, call: Callable[[], Awaitable[Any]], calls: int) -> float:
        """Return the bytes of WAL of a call, directly after a checkpoint."""
        await call()
        await self._observer.execute("checkpoint")
        place = await self._observer.fetchval("select pg_current_wal_insert_lsn()")
        for _ in range(calls):
            await call()
        written = await self._observer.fetchval("select pg_current_wal_insert_lsn() - $1::pg_lsn", place)
        return float(written) / calls

    async def append_many_times(self, appends: int) -> None:
        """Append from many callers at once."""
        left = iter(range(appends))

        async def caller() -> None:
            for _ in left:
                await self.append()

        await asyncio.gather(*(caller() for _ in range(_CALLERS)))


async def _print_wal(table: Table, observer: Any, calls: int) -> None:
    found: dict[str, list[float]] = {}
    for images in ("off", "on"):
        await observer.execute(f"alter system set full_page_writes = {images}")
        await observer.execute("select pg_reload_conf()")
        await asyncio.sleep(0.5)
        for name, (call, rows) in table.writes().items():
            found.setdefault(name, []).append(await table.wal_bytes(call, calls // rows or 1) / rows)
    print(
        f"\n| bytes of WAL | without full-page images | with, the first {calls:,} after a checkpoint |\n|---|---|---|"
    )
    for name, (without, images_too) in found.items():
        print(f"| {name} | {without:,.0f} | {images_too:,.0f} |", flush=True)


async def measure(port: int, name: str, messages: int, *, appends: int, calls: int) -> None:
    """Print the tables of docs/scale.md."""
    url = url_of(port, name)
    observer = await asyncpg.connect(url, command_timeout=600)
    async with Database(DatabaseSettings(url=url)) as db:
        first = await observer.fetchval(_FIRST)
        table = Table(db, observer, first, messages // _EACH)
        before, pages = await Sizes.of(observer), await buffers(url)
        print(before.table, flush=True)
        await _print_wal(table, observer, calls)
        began = await Sizes.of(observer)
        place = await observer.fetchval("select pg_current_wal_insert_lsn()")
        await table.append_many_times(appends)
        written = await observer.fetchval("select pg_current_wal_insert_lsn() - $1::pg_lsn", place)
        print(f"\nWAL of each of {appends:,} appends: {written / appends:,.0f} bytes", flush=True)
        at_once = await Sizes.of(observer)
        await asyncio.sleep(70)  # autovacuum looks once a minute
        print(f"\nAfter {appends:,} appends:\n{began.growth(at_once, await Sizes.of(observer))}", flush=True)
        pages_after = await buffers(url)
    print("\n| call | buffers | buffers after the appends | p99 |\n|---|---|---|---|")
    for query in await slowest(url, calls=calls):
        slow = f"{query.p99 * 1000:.1f} ms"
        print(f"| `{query.method}` | {pages[query.method]} | {pages_after[query.method]} | {slow} |")
    await observer.close()


def main() -> None:
    """Make what is missing, measure, and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.volume", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--appends", type=int, default=500_000)
    parser.add_argument("--calls", type=int, default=1000)
    options = parser.parse_args()
    name = f"volume-{options.messages}"
    with _kept_server(**_QUICKLY) as port:
        uvloop.run(fill(port, name, options.messages))
    with _kept_server() as port:
        uvloop.run(measure(port, name, options.messages, appends=options.appends, calls=options.calls))


if __name__ == "__main__":
    main()
