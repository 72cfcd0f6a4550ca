"""A database that is far away or suspended."""

import asyncio
import time

import pytest

from app.db import DatabaseSettings
from app.doctor import Level, Report, examine
from tests.support.proxy import FaultProxy


def _levels(report: Report) -> dict[str, Level]:
    return {each.check: each.level for each in report.findings}


@pytest.mark.parametrize(
    ("delay_seconds", "level", "within"), [(0.01, Level.NOTE, 10), (0.03, Level.WARNING, 20)], ids=["20 ms", "60 ms"]
)
async def test_a_far_database_is_examined_and_told(
    migrated_url: str, delay_seconds: float, level: Level, within: float
) -> None:
    """Latency beyond one region is a note, of another continent a warning; the examination still runs."""
    async with FaultProxy(migrated_url).running() as proxy:
        proxy.delay_seconds = delay_seconds
        began = time.monotonic()
        report = await examine(DatabaseSettings(url=proxy.url()))
        assert time.monotonic() - began < within
    assert _levels(report)["latency.round_trip"] is level
    assert _levels(report)["criteria.SC-006"] is Level.OK
    assert [each for each in report.findings if "could not be checked" in each.found] == []


async def test_a_database_that_slept_is_told(migrated_url: str) -> None:
    """The first connect is slow, the next one is not."""
    async with FaultProxy(migrated_url).running() as proxy:
        proxy.late_seconds = 2.2
        examining = asyncio.create_task(examine(DatabaseSettings(url=proxy.url())))
        while not proxy.connects:  # noqa: ASYNC110 - the proxy does not notify
            await asyncio.sleep(0.01)
        proxy.late_seconds = 0
        found = {each.check: each for each in (await examining).findings}
    assert found["latency.cold_connect"].level is Level.NOTE
    assert "the database was suspended, or is far away" in found["latency.cold_connect"].found
