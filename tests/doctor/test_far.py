"""A database that is far away or suspended."""

import asyncio

import pytest

from app.db import DatabaseSettings
from app.doctor import Level, examine
from tests.support.proxy import FaultProxy
from tests.support.waiting import until
from tests.support.wire import WireCounter


@pytest.mark.parametrize("delay_seconds", [0.01, 0.03], ids=["20 ms", "60 ms"])
async def test_a_far_database_is_examined_and_told(migrated_url: str, delay_seconds: float) -> None:
    """Latency beyond one region is a note, of another continent a warning; the examination still runs."""
    async with FaultProxy(migrated_url).running() as proxy:
        proxy.delay_seconds = delay_seconds
        counter = WireCounter(proxy)
        report = await examine(DatabaseSettings(url=proxy.url()))
        assert counter.round_trips < 500  # 362 today: each costs the distance once more
    found = {each.check: each for each in report.findings}
    milliseconds = float(found["latency.round_trip"].found.split(" ms")[0])
    assert milliseconds >= 2_000 * delay_seconds
    assert found["latency.round_trip"].level is (Level.WARNING if milliseconds > 50 else Level.NOTE)
    assert found["criteria.SC-006"].level is Level.OK
    assert [each for each in report.findings if "could not be checked" in each.found] == []


async def test_a_database_that_slept_is_told(migrated_url: str) -> None:
    """The first connect is slow, the next one is not."""
    async with FaultProxy(migrated_url).running() as proxy:
        proxy.late_seconds = 2.2
        examining = asyncio.create_task(examine(DatabaseSettings(url=proxy.url())))
        await until(lambda: proxy.at_once > 0)
        proxy.late_seconds = 0
        found = {each.check: each for each in (await examining).findings}
    assert found["latency.cold_connect"].level is Level.NOTE
    assert "the database was suspended, or is far away" in found["latency.cold_connect"].found
