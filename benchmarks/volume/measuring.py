"""Measure a copy of the large table."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import asyncpg

from app.db import Database, DatabaseSettings
from benchmarks.growth import buffers, slowest
from benchmarks.server import machine
from benchmarks.volume.kept import FIRST, Kept
from benchmarks.volume.results import Call, Growth, Volume
from benchmarks.volume.sizes import Sizes
from benchmarks.volume.writes import Writer

Progress = Callable[[str], None]
CALLS: Final = 1000
_AUTOVACUUM_SECONDS = 70
"""Autovacuum looks once a minute."""


async def measure(
    kept: Kept, *, made_seconds: float, progress: Progress, calls: int = CALLS, appends: int = 0
) -> Volume:
    """Return the results of a run; without `appends` those of growth are missing."""
    began = time.monotonic()
    progress(f"copying {kept.messages:,} messages")
    async with kept.copied() as url:
        observer = await asyncpg.connect(url, command_timeout=3600)
        await observer.execute("analyze")  # a copy comes without what the server has counted
        progress("calls on the copy")
        sizes, pages = await Sizes.of(observer), await buffers(url)
        slow = {query.method: query for query in await slowest(url, calls=calls)}
        found = {name: Call(pages[name], query.median, query.p99) for name, query in slow.items()}
        async with Database(DatabaseSettings(url=url)) as db:
            writer = Writer(db, observer, await observer.fetchval(FIRST), kept.conversations)
            progress("WAL on the copy")
            wal_bytes = await writer.wal_bytes(calls)
        growth = None
        if appends:
            progress(f"{appends:,} appends to the copy")
            growth = await _growth(url, kept, observer, appends, pages)
        facts = await machine(url)
        await observer.close()
    took = time.monotonic() - began
    return Volume(kept.messages, facts, made_seconds, took, calls, wal_bytes, found, sizes, growth)


async def _growth(url: str, kept: Kept, observer: Any, appends: int, pages: Mapping[str, int]) -> Growth:
    before, began = await Sizes.of(observer), time.monotonic()
    async with Database(DatabaseSettings(url=url)) as db:
        writer = Writer(db, observer, await observer.fetchval(FIRST), kept.conversations)
        wal_bytes = await writer.append_many_times(appends)
        seconds = time.monotonic() - began
    await asyncio.sleep(1)  # a connection tells what it did when it ends
    at_once = await Sizes.of(observer)
    await asyncio.sleep(_AUTOVACUUM_SECONDS)
    later = await Sizes.of(observer)
    pages_after = await buffers(url)
    return Growth(
        appends, seconds, wal_bytes, before, at_once, later, {name: [pages[name], pages_after[name]] for name in pages}
    )
