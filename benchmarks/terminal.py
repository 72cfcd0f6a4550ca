"""Show the progress of a run and its tables on the terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.table import Table as Grid

from benchmarks.contenders import OURS
from benchmarks.tables import Table

_console = Console()


class Teller:
    """Show the current step and the seconds since the start: in place, or line by line if the output is a file."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._began = time.monotonic()
        self._last = ""

    @property
    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._began

    def __call__(self, what: str) -> None:
        """Show the step; in a file, only the part before the colon, and only if it is new."""
        self._status.update(f"{self.seconds:4.0f} s  {what}")
        chapter = what.partition(":")[0]
        if not _console.is_terminal and chapter != self._last:
            _console.print(f"{self.seconds:4.0f} s  {chapter}")
        self._last = chapter


@contextmanager
def telling() -> Iterator[Teller]:
    """Show the progress while the block runs."""
    with _console.status("starting PostgreSQL") as status:
        yield Teller(status)


def show(tables: list[Table], headline: str) -> None:
    """Print the tables, with our own rows in bold."""
    for table in tables:
        grid = Grid(title=table.title, title_justify="left", title_style="bold")
        for number, column in enumerate(table.columns):
            grid.add_column(column, justify="right" if number else "left")
        for row in table.rows:
            grid.add_row(*row, style="bold" if row[0] == OURS else None)
        _console.print(grid)
    _console.print(headline)
