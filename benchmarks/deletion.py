"""Delete a long conversation while others append: `python -m benchmarks.deletion`, as root to have it cold.

With `--kill` the process that deletes is killed in the middle, then it is deleted again: status 1 if half was left.
The server writes to disk as in production, and the deletion follows a checkpoint: each page goes to the WAL in full.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg

from app.db import Database, DatabaseSettings
from app.db.errors import MissingReferenceError
from app.db.models import MessageCreate, Role
from app.embedded import EmbeddedPostgres
from app.repositories import ConversationRepo, MessageRepo
from benchmarks.processes import processor_seconds
from benchmarks.server import create_database, url_of

_USER, _NAME = "deletion", "deletion"
_DURABLE = {"fsync": "on", "full_page_writes": "on"}
_BETWEEN_APPENDS_SECONDS = 0.02
_DELETE = """
import asyncio, sys
from app.db import Database, DatabaseSettings
from app.repositories import ConversationRepo

async def main(url, user_id, conversation):
    async with Database(DatabaseSettings(url=url, application_name=user_id)) as db:
        await ConversationRepo(db).delete(user_id, int(conversation))

asyncio.run(main(*sys.argv[1:]))
"""
_DELETING = "from pg_stat_activity where application_name = $1 and query ilike '%delete from %'"
_MIDDLE_SECONDS = 0.5
_MESSAGE = MessageCreate(role=Role.USER, content="hello")
_CONVERSATIONS = """
insert into conversation (user_id) select 'deletion' union all select 'other-' || n from generate_series(0, 49) n"""
# Of each `$2` messages one is in the conversation, the others are in those of others.
_MESSAGES = """
insert into message (user_id, conversation_id, role, content)
select user_id, id, 'user', repeat('hello ', 20) from generate_series(1, cast($1 as bigint) * $2) n
join conversation on user_id = case when n % $2 = 0 then 'deletion' else 'other-' || n % 50 end order by n"""


@dataclass(slots=True)
class Deletion:
    """One deletion: how long it took, and the longest that an append waited meanwhile."""

    messages: int
    among: int
    """How many messages the table had for each one of the conversation."""
    cold: bool
    seconds: float = 0.0
    processor_seconds: float = 0.0
    wal_bytes: int = 0
    longest_wait_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The deletion as a row of a table."""
        waits = " | ".join(f"{each * 1000:,.0f} ms" for each in self.longest_wait_seconds.values())
        times = f"{self.seconds:.1f} s | {self.processor_seconds:.1f} s | {self.wal_bytes / 1e6:,.0f} MB"
        what = f"{self.messages:,} of {self.messages * self.among:,} | {'cold' if self.cold else 'warm'}"
        return f"| {what} | {times} | {waits} |"


async def deletion_seconds(*, messages: int) -> float:
    """Return how long `ConversationRepo.delete` takes with default settings, while others append."""
    return (await deletion(messages=messages)).seconds


async def deletion(*, messages: int, among: int = 1, cold: bool = False) -> Deletion:
    """Fill a server, restart it with nothing in memory if `cold`, and measure."""
    found = Deletion(messages, among, cold)
    with _folder() as data:
        with EmbeddedPostgres(data, port=0, settings=_DURABLE) as postgres:
            await _fill(await create_database(postgres.port, _NAME), found)
            if not cold:
                await _measure(url_of(postgres.port, _NAME), found)
        if cold:
            _forget_pages()
            with EmbeddedPostgres(data, port=0, settings=_DURABLE) as postgres:
                await _measure(url_of(postgres.port, _NAME), found)
    return found


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # the server may run as another user
        yield Path(folder) / "server"


async def _fill(url: str, found: Deletion) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(_CONVERSATIONS)
    await connection.execute("set session_replication_role = replica")  # foreign keys are not checked for each row
    await connection.execute(_MESSAGES, found.messages, found.among, timeout=1800)
    await connection.execute("vacuum analyze", timeout=1800)
    await connection.execute("checkpoint", timeout=600)
    await connection.close()


def _forget_pages() -> None:
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


async def _measure(url: str, found: Deletion) -> None:
    observer = await asyncpg.connect(url)
    settings = DatabaseSettings(url=url, pool_size=1, application_name=_NAME)
    async with Database(settings) as db, _appending(url, found):
        (doomed,) = (await ConversationRepo(db).list_page(_USER)).items
        pid = await observer.fetchval("select pid from pg_stat_activity where application_name = $1", _NAME)
        place = await observer.fetchval("select pg_current_wal_lsn()")
        spent, began = processor_seconds(pid), time.perf_counter()
        await ConversationRepo(db).delete(_USER, doomed.id)
        found.seconds, found.processor_seconds = time.perf_counter() - began, processor_seconds(pid) - spent
        found.wal_bytes = int(await observer.fetchval("select pg_current_wal_lsn() - $1::pg_lsn", place))
    await observer.close()


@asynccontextmanager
async def _appending(url: str, found: Deletion) -> AsyncIterator[None]:
    async with Database(DatabaseSettings(url=url)) as db:
        places = {"to it": _USER, "to others": "other-1"}
        pages = {what: (await ConversationRepo(db).list_page(user)).items[0] for what, user in places.items()}
        to_it, to_others = (asyncio.create_task(_append(db, found, what, row)) for what, row in pages.items())
        await asyncio.sleep(1)
        found.longest_wait_seconds.update(dict.fromkeys(places, 0.0))
        yield
        await to_it  # it has waited for the end of the deletion
        to_others.cancel()
        await asyncio.gather(to_others, return_exceptions=True)


async def _append(db: Database, found: Deletion, what: str, conversation: Any) -> None:
    while True:
        began = time.perf_counter()
        try:
            await MessageRepo(db).append(conversation.user_id, conversation.id, _MESSAGE)
            gone = False
        except MissingReferenceError:
            gone = True
        waits, waited = found.longest_wait_seconds, time.perf_counter() - began
        waits[what] = max(waited, waits.get(what, 0.0))
        if gone:
            return
        await asyncio.sleep(_BETWEEN_APPENDS_SECONDS)


async def killed(*, messages: int) -> bool:
    """Kill the process that deletes, print what is left, and delete again; return whether it was all or nothing."""
    found = Deletion(messages, among=1, cold=False)
    with _folder() as data, EmbeddedPostgres(data, port=0, settings=_DURABLE) as postgres:
        await _fill(await create_database(postgres.port, _NAME), found)
        url = url_of(postgres.port, _NAME)
        observer = await asyncpg.connect(url)
        async with Database(DatabaseSettings(url=url)) as db, _appending(url, found):
            (doomed,) = (await ConversationRepo(db).list_page(_USER)).items
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", _DELETE, url, _USER, str(doomed.id))
            await _until(observer, f"select count(*) > 0 {_DELETING}")
            await asyncio.sleep(_MIDDLE_SECONDS)
            process.kill()
            await process.wait()
            await _until(observer, f"select count(*) = 0 {_DELETING}")
            left = await _left(observer, doomed.id)
            if left:
                await ConversationRepo(db).delete(_USER, doomed.id)
        last = await _left(observer, doomed.id)
        await observer.close()
    print(f"{messages:,} messages, killed after {_MIDDLE_SECONDS:g} s: {left:,} are left, after the next call {last:,}")
    return last == 0 and (left == 0 or left >= messages)


async def _until(observer: Any, sql: str) -> None:
    while not await observer.fetchval(sql, _USER):  # noqa: ASYNC110 - the server does not notify
        await asyncio.sleep(0.01)


async def _left(observer: Any, conversation: int) -> int:
    return int(await observer.fetchval("select count(*) from message where conversation_id = $1", conversation))


def main() -> None:
    """Print a row for each size."""
    parser = argparse.ArgumentParser(prog="benchmarks.deletion", description=__doc__)
    parser.add_argument("--messages", type=int, nargs="+", default=[100_000, 1_000_000, 5_000_000])
    parser.add_argument("--among", type=int, default=1, help="messages in the table for each one of the conversation")
    parser.add_argument("--kill", action="store_true", help="kill the process that deletes")
    options = parser.parse_args()
    if options.kill:
        sys.exit(not all(asyncio.run(killed(messages=messages)) for messages in options.messages))
    print("| messages | pages | time | server's processor | WAL | append to it | append to others |")
    print("|---|---|---|---|---|---|---|")
    for messages in options.messages:
        for cold in (False, True) if os.geteuid() == 0 else (False,):
            print(asyncio.run(deletion(messages=messages, among=options.among, cold=cold)).text, flush=True)


if __name__ == "__main__":
    main()
