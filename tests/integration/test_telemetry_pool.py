"""What operators see of the pool."""

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.db import Database
from app.db.errors import PoolTimeoutError
from tests.support.telemetry import Telemetry, observed
from tests.support.waiting import until


@pytest.fixture
async def telemetry(migrated_url: str) -> AsyncIterator[Telemetry]:
    """Give a database of two connections that reports to OpenTelemetry."""
    async with observed(migrated_url) as telemetry:
        yield telemetry


async def test_metrics_show_the_pool_at_the_moment_of_reading(telemetry: Telemetry) -> None:
    """They show connections that are idle and in use, queued callers, and timeouts."""
    await asyncio.gather(*(telemetry.db.execute(text("select pg_sleep(0.1)")) for _ in range(2)))
    assert telemetry.pool() == {"used": 0, "idle": 2, "max": 2, "pending_requests": 0, "timeouts": 0}
    async with telemetry.db.transaction() as session, telemetry.db.transaction() as second:
        await session.execute(text("select 1"))
        await second.execute(text("select 1"))
        waiting = asyncio.create_task(telemetry.db.execute(text("select 1")))
        await until(lambda: telemetry.db.pool_status().waiting == 1)
        assert telemetry.pool() == {"used": 2, "idle": 0, "max": 2, "pending_requests": 1, "timeouts": 0}
        await asyncio.wait([waiting])
        assert isinstance(waiting.exception(), PoolTimeoutError)
    assert telemetry.pool() == {"used": 0, "idle": 2, "max": 2, "pending_requests": 0, "timeouts": 1}


async def test_the_pools_of_two_databases_are_both_measured(telemetry: Telemetry) -> None:
    """Each has its name; pools of one name are added up, and a closed pool is no longer measured."""
    same = telemetry.db.settings
    for settings, size in ((same, 4), (same.model_copy(update={"application_name": "another"}), 2)):
        db = Database(settings)
        telemetry.measure(db)
        assert telemetry.pool(settings.application_name)["max"] == size
        await db.close()
        del db
        gc.collect()
    assert telemetry.pool()["max"] == 2
    assert telemetry.pool("another") == {}


async def test_metrics_are_read_by_another_thread_while_the_pool_works(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """Exporters read at any time."""
    ended = threading.Event()

    def read() -> int:
        times = 0
        while not ended.is_set():
            telemetry.metrics()
            times += 1
        return times

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        reading = asyncio.create_task(asyncio.to_thread(read))
        for _ in range(50):
            await asyncio.gather(*(telemetry.db.execute(text("select 1")) for _ in range(10)))
        ended.set()
        assert await reading > 10
    finally:
        sys.setswitchinterval(usual)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("opentelemetry")] == []
