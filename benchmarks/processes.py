"""The processes of a run: a worker for each contender and a relay for each delay."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from benchmarks.contenders import Place

_LONGEST_LINE_BYTES = 10_000_000


class Process:
    """One of our modules in a separate process, which answers each line of JSON with another."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, module: str, *arguments: str) -> "Process":
        """Start `python -m benchmarks.<module>`."""
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", f"benchmarks.{module}", *arguments)
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=_LONGEST_LINE_BYTES))

    async def ask(self, **question: Any) -> dict[str, Any]:
        """Send a command and return the answer; raises an error if the process has died."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        return await self.hear() or {}

    async def hear(self) -> dict[str, Any]:
        """Return the next line of the process's output."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process of the benchmark ended with status {await self._process.wait()}")
        heard: dict[str, Any] = json.loads(line)
        return heard

    async def end(self) -> None:
        """Close the process's input, which ends it, and wait."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def relay(port: int, *, delay_seconds: float) -> AsyncIterator[tuple[Process, int]]:
    """Run a relay to the server at `port`; yield it and its own port."""
    process = await Process.start("relay", str(port), str(delay_seconds))
    try:
        yield process, int((await process.hear())["port"])
    finally:
        await process.end()


async def start_worker(name: str, url: str, place: Place, *, loop: str = "uvloop") -> Process:
    """Start a contender's process on an event loop; it has no connection until it is told to open one."""
    return await Process.start("worker", name, url, json.dumps(asdict(place)), loop)


def processor_seconds(pid: int) -> float:
    """Return how long a process has run on a processor; Linux alone tells it finer than in steps of 10 ms."""
    precise = Path(f"/proc/{pid}/schedstat")
    if precise.exists():
        return int(precise.read_text().split()[0]) / 1e9
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)
