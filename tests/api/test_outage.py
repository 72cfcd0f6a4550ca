"""The database stops and starts again."""

import asyncio
import itertools
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.db import Database, DatabaseSettings
from app.db.migrations import upgrade
from tests.api.support import bearer, served_app
from tests.support.postgres import Postgres
from tests.support.waiting import LIMIT_SECONDS, until

AWAY_SECONDS = 5.0
IMPATIENT = {"pool_size": 5, "retry_seconds": 1.0, "connect_timeout_seconds": 1.0, "pool_timeout_seconds": 1.0}
EXPECTED = {"urn:problem:unavailable", "urn:problem:outcome-unknown", "urn:problem:try-again", "urn:problem:overloaded"}


@pytest.fixture
def own_server() -> Iterator[Postgres]:
    """Run a server that can be stopped and started and keeps its data and address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with Postgres(Path(folder) / "server", settings={"fsync": "off"}, port=port) as server:
            yield server


@pytest.fixture
async def client(own_server: Postgres, user_id: str) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of a service that works on that server."""
    url = own_server.tcp_url() + "?sslmode=disable"
    async with Database(DatabaseSettings(url=url)) as db:
        await upgrade(db.engine)
    async with (
        served_app(url, database=IMPATIENT) as address,
        httpx.AsyncClient(base_url=address, headers=bearer(user_id), timeout=LIMIT_SECONDS) as client,
    ):
        yield client


class Load:
    """Clients that create tasks, one after the other, and repeat each until it is acknowledged."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._numbers = itertools.count()
        self._ended = False
        self.refused: list[httpx.Response] = []
        self.acknowledged: list[str] = []

    async def run(self) -> None:
        """Create tasks until `end` is called."""
        while not self._ended:
            await self._insist({"title": f"task {next(self._numbers)}"}, {"Idempotency-Key": str(uuid4())})

    async def _insist(self, task: dict[str, str], headers: dict[str, str]) -> None:
        while (answer := await self._client.post("/tasks", json=task, headers=headers)).status_code != 201:
            self.refused.append(answer)
            await asyncio.sleep(0.2)
        self.acknowledged.append(task["title"])

    def end(self) -> None:
        """Have each client stop after its next acknowledgement."""
        self._ended = True


async def test_five_seconds_without_the_database_are_503s_and_then_all_is_well(
    client: httpx.AsyncClient, own_server: Postgres
) -> None:
    """`/healthz` stays 200, `/readyz` gives the reason, and afterwards nothing is lost, doubled or still failing."""
    load = Load(client)
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(load.run())
        await until_acknowledged(load, 100)
        assert load.refused == []
        await asyncio.to_thread(own_server.stop, mode="immediate")
        reasons = await watch(client, seconds=AWAY_SECONDS)
        await asyncio.to_thread(own_server.start)
        await until_ready(client)
        assert {reason.split(":")[0] for reason in reasons} == {"unreachable"}
        assert {(answer.status_code, "Retry-After" in answer.headers) for answer in load.refused} == {(503, True)}
        assert {answer.json()["type"] for answer in load.refused} <= EXPECTED

        await until_served(load)
        load.end()
    assert sorted(await titles(client)) == sorted(load.acknowledged)


async def watch(client: httpx.AsyncClient, *, seconds: float) -> set[str]:
    """Return the reason that the service gives for not being ready; it must stay alive."""
    reasons, end = set(), time.monotonic() + seconds
    while time.monotonic() < end:
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.get("/readyz")
        if answer.status_code != 200:
            assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
            reasons.add(answer.json()["detail"])
        await asyncio.sleep(0.2)
    return reasons


async def until_ready(client: httpx.AsyncClient) -> None:
    """Return when the service is ready again."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - it can only be polled
            await asyncio.sleep(0.1)


async def until_acknowledged(load: Load, calls: int) -> None:
    """Return when so many more calls were acknowledged."""
    goal = len(load.acknowledged) + calls
    await until(lambda: len(load.acknowledged) >= goal)


async def until_served(load: Load) -> None:
    """Return when 100 calls in a row were acknowledged, so that none is refused any longer."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            load.refused.clear()
            await until_acknowledged(load, 100)
            if not load.refused:
                return


async def titles(client: httpx.AsyncClient) -> list[str]:
    """Return the titles of all tasks."""
    found: list[str] = []
    parameters: dict[str, Any] = {"limit": 1000}
    while True:
        page = (await client.get("/tasks", params=parameters)).json()
        found += [task["title"] for task in page["items"]]
        if page["next_cursor"] is None:
            return found
        parameters["after"] = page["next_cursor"]
