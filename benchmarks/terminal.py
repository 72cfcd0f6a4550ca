"""Show the progress of a run and its tables on the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.table import Table as Grid

from benchmarks.clock import Clock
from benchmarks.contenders import OURS
from benchmarks.tables import Table

_console = Console()


class Teller:
    """Show the current step, and how long the run has taken: in place, or line by line if the output is a file."""

    def __init__(self, status: Status, clock: Clock) -> None:
        self._status = status
        self._clock = clock

    def __call__(self, what: str) -> None:
        """Show the step; in a file, only the chapter before the colon, and only if it is new."""
        is_new = self._clock.enter(what.partition(":")[0])
        self._status.update(f"{self._clock}  {what}")
        if is_new and not _console.is_terminal:
            _console.print(f"{self._clock}  {self._clock.chapter}")


@contextmanager
def telling(clock: Clock) -> Iterator[Teller]:
    """Show the progress while the block runs."""
    with _console.status("starting PostgreSQL") as status:
        yield Teller(status, clock)


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
