"""The process of one contender: reads commands, one JSON object per line, and answers each with its measurements."""

import asyncio
import gc
import json
import sys
import time
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil
import uvloop

from benchmarks.contenders import Contender, Place, load
from benchmarks.contenders.base import ANSWER


class Worker:
    """A contender and the rows that it needs."""

    def __init__(self, contender: Contender, place: Place, direct_url: str) -> None:
        self._contender = contender
        self._place = place
        self._direct_url = direct_url
        self._numbers = count()

    async def open(self, url: str) -> None:
        """Connect the contender again, through a relay or directly."""
        self._port = urlsplit(url).port
        await self._contender.open(url, self._place)
        gc.collect()
        gc.freeze()  # else to collect before each turn takes ten times as long as the turn

    async def close(self) -> None:
        """Close the connections."""
        await self._contender.close()

    async def run(self, operation: str, calls: int) -> dict[str, Any]:
        """Run the operation `calls` times in a row; return the seconds of each and the processor seconds of all."""
        await self._contender.prepare()
        tasks = await self._spare_tasks(calls) if operation == "delete" else [self._place.task] * calls
        seconds = []
        gc.collect()
        cpu = time.process_time()
        for task in tasks:
            began = time.perf_counter()
            await self._call(operation, task)
            seconds.append(time.perf_counter() - began)
        return {"seconds": seconds, "cpu_seconds": time.process_time() - cpu}

    async def burst(self, callers: int, calls: int) -> dict[str, Any]:
        """Run `callers` at once that read and write, `calls` times each, on the pool's connections."""
        waited: list[float] = []

        async def caller(first: int) -> float:
            began = time.perf_counter()
            for number in range(first, first + calls):
                called = time.perf_counter()
                await self._call("create" if number % 2 else "get", self._place.task)
                waited.append(time.perf_counter() - called)
            return time.perf_counter() - began

        gc.collect()
        began, cpu = time.perf_counter(), time.process_time()
        found = await asyncio.gather(*(caller(number) for number in range(callers)), return_exceptions=True)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        errors = [repr(error) for error in found if isinstance(error, BaseException)]
        whole = [each for each in found if not isinstance(each, BaseException)]
        waited.sort()
        return {
            "seconds": seconds,
            "cpu_seconds": cpu,
            "calls": callers * calls,
            "p50": waited[len(waited) // 2],
            "p99": waited[len(waited) * 99 // 100],
            "slowest_to_fastest": max(whole) / min(whole),
            "errors": len(errors),
            "first_error": errors[0] if errors else None,
            **self._held(),
        }

    def _held(self) -> dict[str, int]:
        """Return what the process holds now; the system's maximum of memory would include its parent's."""
        process = psutil.Process()
        others = [connection.raddr for connection in process.net_connections("tcp") if connection.raddr]
        return {
            "memory_bytes": process.memory_info().rss,
            "connections": sum(address.port == self._port for address in others),
        }

    async def _call(self, operation: str, task: int) -> Any:
        contender = self._contender
        match operation:
            case "create":
                return await contender.create("Buy milk and bread")
            case "get" | "delete":
                return await getattr(contender, operation)(task)
            case "update":
                # Another title each time: an update that changes nothing is not what an application sends.
                return await contender.update(task, f"Buy milk, bread and salt for {next(self._numbers)}")
            case "append":
                return await contender.append("assistant", ANSWER)
            case _:
                return await getattr(contender, operation)()

    async def _spare_tasks(self, number: int) -> list[int]:
        connection = await asyncpg.connect(self._direct_url)
        try:
            rows = await connection.fetch(
                "insert into task (user_id, title) select $1, 'spare' from generate_series(1, $2) returning id",
                self._place.user,
                number,
            )
        finally:
            await connection.close()
        return [row["id"] for row in rows]


async def main(name: str, direct_url: str, place: Place) -> None:
    """Answer commands until the input ends."""
    worker = Worker(load(name)(), place, direct_url)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        answer = await getattr(worker, command.pop("do"))(**command)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    run = {"uvloop": uvloop.run, "asyncio": asyncio.run}[sys.argv[4]]
    run(main(sys.argv[1], sys.argv[2], Place(**json.loads(sys.argv[3]))))
