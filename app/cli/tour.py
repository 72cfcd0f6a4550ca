"""The steps of the demo: what each sent to the database, and whether it kept its promise."""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from app.db import Database
from app.db.engine.compiled import compiled
from app.db.errors import DataAccessError
from app.doctor.measuring.explain import Plan, explain
from app.doctor.measuring.recorder import Recorder
from app.doctor.measuring.round_trips import RoundTrips

Value = TypeVar("Value")
_NUMBERS: Final = {"trips": 5, "buffers": 7, "ms": 6, "as promised": 11}
_INDENT: Final = (0, 0, 0, 2)
_COLUMN: Final = r"CAST\(\w+\.\w+ AS [A-Z ]+(?:\(\d+\))?\) AS \w+"


@dataclass(frozen=True, slots=True)
class _Step:
    title: str
    statement: str
    plan: Plan
    round_trips: int
    milliseconds: float
    as_promised: bool


class Tour:
    """Run steps on a database, and record the statement, round trips and plan of each."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._trips = RoundTrips.of(db.pool)
        self.recorder = Recorder(db)
        """The executor of the tour's repositories."""
        self._steps: list[_Step] = []

    def begin_again(self) -> None:
        """Discard the steps so far: the first pass warms the server and the connection."""
        self._steps.clear()

    @property
    def as_promised(self) -> bool:
        """Whether every step kept its promise."""
        return all(step.as_promised for step in self._steps)

    async def step(
        self, title: str, call: Callable[[], Awaitable[Value]], promise: Callable[[Value], bool], *, trips: int = 1
    ) -> Value:
        """Run `call`, which promises its result, `trips` round trips, and a plan without sequential scans."""
        self._trips.reset()
        self.recorder.ran.clear()
        began = time.perf_counter()
        value = await call()
        milliseconds = (time.perf_counter() - began) * 1000
        round_trips = self._trips.count
        query, parameters = self.recorder.ran[0]
        async with self.db.engine.connect() as connection:
            plan = await explain(connection, query.statement, parameters, analyze=True)
        as_promised = promise(value) and round_trips == trips and "Seq Scan" not in plan.nodes
        self._steps.append(_Step(title, compiled(query).sql, plan, round_trips, milliseconds, as_promised))
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

    def table(self) -> Group:
        """Return the steps as a table, with each statement on separate lines."""
        heading = _line(Text("step, statement, index"), [Text(name) for name in _NUMBERS], style="bold underline")
        return Group(heading, *(each for step in self._steps for each in _shown(step)))

    def verdict(self) -> Text:
        """Return one sentence: all promises were kept, or which were not."""
        broken = [step.title for step in self._steps if not step.as_promised]
        if broken:
            return Text(f"Broken: {'; '.join(broken)}", "bold red")
        return Text(f"All {len(self._steps)} steps were as promised; the rows they wrote are deleted.", "bold green")


def _shown(step: _Step) -> list[RenderableType]:
    numbers = [str(step.round_trips), str(step.plan.buffers), f"{step.milliseconds:.1f}"]
    verdict = Text("yes", "green") if step.as_promised else Text("NO", "bold red")
    indexes = (Text(index, "cyan") for index in dict.fromkeys(step.plan.indexes))
    below = Group(Text(_short(step.statement), "dim"), *indexes)
    return [_line(Text(step.title, "bold"), [*map(Text, numbers), verdict]), Padding(below, _INDENT)]


def _line(first: Text, rest: list[Text], *, style: str = "") -> Table:
    """Return one line of the table; the numbers have fixed widths, so that they align in columns."""
    line = Table.grid(expand=True, padding=(0, 1))
    line.add_column(ratio=1)
    for width in _NUMBERS.values():
        line.add_column(justify="right", width=width)
    line.add_row(first, *rest, style=style)
    return line


def _short(sql: str) -> str:
    """Return the statement on one line, without its list of columns."""
    line = " ".join(sql.split())
    return re.sub(rf"{_COLUMN}(?:, {_COLUMN})*", "…", line)
