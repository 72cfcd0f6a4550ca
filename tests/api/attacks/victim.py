"""The service in its own process, as it is deployed, and what an attack on it costs."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import psutil

from tests.api.support import AUDIENCE, ISSUER, SECRET, bearer
from tests.support.ending import end_with_parent
from tests.support.waiting import LIMIT_SECONDS

ROOT = Path(__file__).parents[3]
MEGABYTE = 2**20
_USUAL_REQUESTS = 200  # processor time is counted in hundredths of a second
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Cost:
    """What the service spent on an attack, and what a second user's requests got meanwhile."""

    requests: float = 0.0
    """Processor time, in requests of the second user, without those that it made: the same on a slow machine."""
    peak_megabytes: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)


@dataclass
class Victim:
    """A service under attack."""

    url: httpx.URL
    process: Process

    def client(self, user_id: str) -> httpx.AsyncClient:
        """Return a client of a user."""
        return httpx.AsyncClient(base_url=self.url, headers=bearer(user_id), timeout=LIMIT_SECONDS)

    async def connect(self) -> Stream:
        """Open a connection that sends no token."""
        assert self.url.port
        return await asyncio.open_connection(self.url.host, self.url.port)

    async def answer(self, request: bytes) -> bytes:
        """Send a request unchanged and return what arrives of the response until the connection ends."""
        reader, writer = await self.connect()
        writer.write(request)
        received = b""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                while part := await reader.read(65_536):
                    received += part
        except ConnectionError:
            pass
        writer.transport.abort()
        return received

    @asynccontextmanager
    async def measured(self, path: str = "/tasks") -> AsyncIterator[Cost]:
        """Measure what the block costs while a second user requests their tasks, or another `path`."""
        cost = Cost()
        async with self.client("a second user") as client:
            seconds_each = await self._seconds_of_a_request(client, path)
            _forget_peak(self.process.pid)
            before = self._processor_seconds()
            asking = asyncio.create_task(_ask(client, path, cost))
            yield cost
            asking.cancel()
            await asyncio.wait([asking])
            cost.statuses[(await client.get(path)).status_code] += 1
        cost.requests = (self._processor_seconds() - before) / seconds_each - cost.statuses.total()
        cost.peak_megabytes = _peak_bytes(self.process.pid) / MEGABYTE

    async def _seconds_of_a_request(self, client: httpx.AsyncClient, path: str) -> float:
        before = self._processor_seconds()
        for _ in range(_USUAL_REQUESTS):
            await client.get(path)
        return (self._processor_seconds() - before) / _USUAL_REQUESTS

    def _processor_seconds(self) -> float:
        spent = psutil.Process(self.process.pid).cpu_times()
        return float(spent.user + spent.system)

    async def said(self) -> str:
        """End the service and return what it logged."""
        self.process.terminate()
        _, stderr = await asyncio.wait_for(self.process.communicate(), LIMIT_SECONDS)
        return stderr.decode()

    @classmethod
    @asynccontextmanager
    async def running(cls, url: str, *, descriptors: int | None = None, **settings: str) -> AsyncIterator[Self]:
        """Run the service with these settings (``API_*``) and this many descriptors."""
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            **({} if "jwks_url" in settings else {"API_JWT_SECRET": SECRET}),
            "API_JWT_ISSUER": ISSUER,
            "API_JWT_AUDIENCE": AUDIENCE,
            **{f"API_{name.upper()}": value for name, value in settings.items()},
        }
        limit = f"ulimit -n {descriptors}; " if descriptors else ""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            command = f'{limit}exec "$0" -m app.api --fd {listener.fileno()}'
            process = await asyncio.create_subprocess_exec(
                *("sh", "-c", command, sys.executable),
                cwd=ROOT,
                env=environment,
                pass_fds=[listener.fileno()],
                stderr=PIPE,
                preexec_fn=end_with_parent,
            )
            victim = cls(httpx.URL(f"http://127.0.0.1:{listener.getsockname()[1]}"), process)
            try:
                async with victim.client("first") as client:
                    assert (await client.get("/readyz")).status_code == 200
                yield victim
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.communicate()


async def _ask(client: httpx.AsyncClient, path: str, cost: Cost) -> None:
    while True:
        cost.statuses[(await client.get(path)).status_code] += 1
        await asyncio.sleep(0.1)


def _forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _peak_bytes(pid: int) -> int:
    """Return the peak memory of the process since `_forget_peak`."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
