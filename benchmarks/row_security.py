"""Measure what row-level security costs, with and without in turn: `python -m benchmarks.row_security`."""

import json
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import uvloop

from app.db import Database, DatabaseSettings
from app.db.access import Roles, give_rights, switch_on
from app.db.engine.compiled import compiled
from app.db.executor import Executor
from app.db.models import MessageCreate, Role
from app.doctor.measuring.explain import Plan
from app.doctor.measuring.recorder import Recorder
from app.repositories import MessageRepo, TaskRepo
from benchmarks.processes import processor_seconds
from benchmarks.server import create_database, server, url_of

Ask = Callable[[Executor], Awaitable[Any]]
_ROUNDS, _CALLS = 41, 200
_USERS, _ROWS_EACH = 10, 10_000
_ROLES = Roles("measured", "measured_reader")
_PID = "select pid from pg_stat_activity where usename = $1 and datname = current_database()"
_FILL = (
    "insert into task (user_id, title) select 'user-' || n % $1, 'Task ' || n from generate_series(1, $2) n",
    "insert into conversation (user_id) select 'user-' || n from generate_series(0, $1 - 1) n",
    """insert into message (user_id, conversation_id, role, content)
    select user_id, id, 'user', repeat('hello ', 20) from conversation, generate_series(1, $1) n""",
)


@dataclass(frozen=True)
class Side:
    """A database with row-level security, or without, as its application sees it."""

    db: Database
    observer: Any
    """A connection of a superuser."""

    async def calls_seconds(self, ask: Ask) -> tuple[float, float, float]:
        """Return the seconds of a call: on the clock, of the client's processor, and of the server's."""
        await ask(self.db)  # connects
        pid = await self.observer.fetchval(_PID, _ROLES.application)
        served, spent, began = processor_seconds(pid), time.process_time(), time.perf_counter()
        for _ in range(_CALLS):
            await ask(self.db)
        took = time.perf_counter() - began, time.process_time() - spent, processor_seconds(pid) - served
        return took[0] / _CALLS, took[1] / _CALLS, took[2] / _CALLS

    async def buffers(self, ask: Ask) -> int:
        """Return how many buffers the plan of the call's statement reads, when it is run and undone."""
        recorder = Recorder(self.db)
        await ask(recorder)
        ((query, parameters),) = recorder.ran
        form = compiled(query, row_level_security=self.db.settings.row_level_security)
        async with self.db.engine.connect() as connection:
            sql = f"explain (analyze, buffers, format json) {form.sql}"
            explained = await connection.exec_driver_sql(sql, tuple(form.arguments(parameters)))
            found = Plan.of(json.loads(explained.scalar_one())[0]).buffers
            await connection.rollback()
        return found or 0


async def _side(port: int, name: str, *, guarded: bool) -> Side:
    owner = DatabaseSettings(url=await create_database(port, name), row_level_security=guarded)
    observer = await asyncpg.connect(url_of(port, name))
    await observer.execute(_FILL[0], _USERS, _USERS * _ROWS_EACH)
    await observer.execute(_FILL[1], _USERS)
    await observer.execute(_FILL[2], _ROWS_EACH)
    await observer.execute("vacuum analyze")
    await give_rights(owner, _ROLES)
    await observer.execute(f"alter role {_ROLES.application} login")
    if guarded:
        await switch_on(owner)
    url = url_of(port, name).replace("postgres@", f"{_ROLES.application}@", 1)
    return Side(Database(DatabaseSettings(url=url, row_level_security=guarded, pool_size=1)), observer)


async def _asks(side: Side) -> dict[str, Ask]:
    user = "user-1"
    task = await side.observer.fetchval("select max(id) from task where user_id = $1", user)
    chat = await side.observer.fetchval("select id from conversation where user_id = $1", user)
    message = MessageCreate(role=Role.USER, content="hello " * 20)
    return {
        "`TaskRepo.get`": lambda db: TaskRepo(db).get(user, task),
        "`TaskRepo.list_page`": lambda db: TaskRepo(db).list_page(user),
        "`MessageRepo.append`": lambda db: MessageRepo(db).append(user, chat, message),
        "`MessageRepo.latest`": lambda db: MessageRepo(db).latest(user, chat),
    }


async def _measure(port: int) -> None:
    sides = [await _side(port, "plain", guarded=False), await _side(port, "guarded", guarded=True)]
    asks = [await _asks(side) for side in sides]
    print("| call | µs without | µs with | ratio | client's processor | server's processor | buffers |")
    print("|---|---|---|---|---|---|---|")
    for name in asks[0]:
        buffers = [await side.buffers(each[name]) for side, each in zip(sides, asks, strict=True)]
        rounds: list[list[tuple[float, float, float]]] = []
        for number in range(_ROUNDS + 1):
            measured = {}
            for turn in (0, 1) if number % 2 else (1, 0):
                measured[turn] = await sides[turn].calls_seconds(asks[turn][name])
            rounds += [[measured[0], measured[1]]] if number else []  # the first warms up
        plain, guarded = (statistics.median(one[side][0] for one in rounds) for side in (0, 1))
        ratios = (statistics.median(one[1][what] / one[0][what] for one in rounds) for what in range(3))
        figures = " | ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"| {name} | {plain * 1e6:.0f} | {guarded * 1e6:.0f} | {figures} | {buffers[0]} → {buffers[1]} |")
    for side in sides:
        await side.db.close()
        await side.observer.close()


def main() -> None:
    """Print the table of docs/security.md; needs Linux and about a minute."""
    with server() as postgres:
        uvloop.run(_measure(postgres.port))


if __name__ == "__main__":
    main()
