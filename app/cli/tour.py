"""One step of the demo after the other: what it asked the database, and whether the promise held."""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from rich.console import Group
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, Executable, event

from app.db import Database
from app.db.errors import DataAccessError
from app.doctor.explain import Plan, explain
from app.doctor.round_trips import RoundTrips

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Step:
    title: str
    statement: str
    plan: Plan
    round_trips: int
    milliseconds: float
    kept: bool


class Tour:
    """Runs steps on a database and notes statement, round trips and plan of each."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._trips = RoundTrips.of(db.engine)
        self._sent: list[tuple[Executable, Any, str]] = []
        self._steps: list[_Step] = []
        event.listen(db.engine.sync_engine, "after_execute", self._note)

    def _note(
        self, _: Connection, statement: Executable, __: object, parameters: Any, ___: object, result: Any
    ) -> None:
        self._sent.append((statement, parameters, result.context.statement))

    def begin_again(self) -> None:
        """Forget the steps so far: the first walk only warms the server and the connection."""
        self._steps.clear()

    @property
    def kept(self) -> bool:
        """Whether every step was as promised."""
        return all(step.kept for step in self._steps)

    async def step(
        self, title: str, call: Callable[[], Awaitable[Value]], promise: Callable[[Value], bool], *, trips: int = 1
    ) -> Value:
        """Run `call`; the promise is what it returns, `trips` round trips, and no reading of whole tables."""
        self._trips.reset()
        self._sent.clear()
        began = time.perf_counter()
        value = await call()
        milliseconds = (time.perf_counter() - began) * 1000
        round_trips = self._trips.count
        statement, parameters, sql = self._sent[0]
        async with self.db.engine.connect() as connection:
            plan = await explain(connection, statement, parameters, analyze=True)
        kept = promise(value) and round_trips == trips and "Seq Scan" not in plan.nodes
        self._steps.append(_Step(title, sql, plan, round_trips, milliseconds, kept))
        return value

    async def refused(self, title: str, call: Callable[[], Awaitable[Any]], error: type[DataAccessError]) -> None:
        """Run `call`, which must raise `error`."""

        async def caught() -> bool:
            try:
                await call()
            except error:
                return True
            return False

        await self.step(title, caught, lambda raised: raised)

    def table(self) -> Table:
        """Return the steps as a table."""
        table = Table(title="What was promised, and what happened", expand=True)
        table.add_column("step, statement, index", ratio=1)
        for name in ("trips", "buffers", "ms"):
            table.add_column(name, justify="right")
        table.add_column("kept")
        for step in self._steps:
            table.add_row(
                Group(
                    Text(step.title, style="bold"),
                    Text(_short(step.statement), style="dim", no_wrap=True, overflow="ellipsis"),
                    *(Text(index, style="cyan") for index in dict.fromkeys(step.plan.indexes)),
                ),
                str(step.round_trips),
                str(step.plan.buffers),
                f"{step.milliseconds:.1f}",
                Text("yes", "green") if step.kept else Text("NO", "bold red"),
            )
        return table

    def verdict(self) -> Text:
        """Return one sentence: all kept, or which were not."""
        broken = [step.title for step in self._steps if not step.kept]
        if broken:
            return Text(f"Broken: {'; '.join(broken)}", "bold red")
        return Text(f"All {len(self._steps)} steps were as promised; what they wrote is deleted again.", "bold green")


def _short(sql: str) -> str:
    """Return the statement on one line, its list of columns left out."""
    line = " ".join(sql.split())
    return re.sub(r"CAST\(.*?\) AS \w+(?:, CAST\(.*?\) AS \w+)*", "…", line)
