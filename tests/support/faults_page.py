"""The page docs/faults.md, made from the `fault` marks of the tests."""

from collections.abc import Sequence
from pathlib import Path

import pytest

KINDS = {"read": "read", "write": "write", "keyed": "write with a key", "transaction": "`run_in_transaction`"}
_HEAD = """# Faults, and the outcome of a call

Generated from the tests by `make faults`; do not edit. Each cell is what a test asserts: *served* means that the
caller gets its answer and the row exists exactly once; an error is one of [app/db/errors.py](../app/db/errors.py).
The numbers are those of the project's list of faults to survive.

"""


_FUNNEL_HEAD = """
## One funnel

A standalone call is `Database.fetch`, which the repositories use, or `Database.execute`; in a transaction the same
failure is raised by a repository, by the session's own statements, ORM or Core, and by a stream, with the same text.
Generated from tests/faults/test_one_funnel.py.

"""


def page(items: Sequence[pytest.Item]) -> str:
    """Return the page for the collected tests."""
    cells: dict[tuple[int, str], dict[str, list[str]]] = {}
    files: dict[tuple[int, str], set[str]] = {}
    for item in sorted(items, key=lambda item: item.nodeid):  # the tests run in any order
        for mark in item.iter_markers("fault"):
            outcomes = dict(mark.kwargs)
            row = (outcomes.pop("row"), outcomes.pop("name"))
            files.setdefault(row, set()).add(f"{item.path.parent.name}/{item.path.name}")
            for kind, outcome in outcomes.items():
                said = cells.setdefault(row, {}).setdefault(kind, [])
                said += [] if outcome in said else [outcome]
    lines = [_line(["#", "fault", *KINDS.values(), "tests"]), _line(["---"] * (len(KINDS) + 3))]
    for row in sorted(cells):
        said = ["; ".join(cells[row].get(kind, [])) for kind in KINDS]
        lines.append(_line([str(row[0]), row[1], *said, ", ".join(sorted(files[row]))]))
    return _HEAD + "\n".join(lines) + "\n" + _funnel(items)


def _funnel(items: Sequence[pytest.Item]) -> str:
    """Return what each executor raises for each kind of failure."""
    marks = {mark.kwargs["name"]: mark.kwargs for item in items for mark in item.iter_markers("funnel")}
    lines = [_line(["failure", "a standalone call", "in a transaction"]), _line(["---"] * 3)]
    lines += [_line([name, marks[name]["alone"], marks[name]["in_transaction"]]) for name in sorted(marks)]
    return _FUNNEL_HEAD + "\n".join(lines) + "\n"


def write_page(items: Sequence[pytest.Item], path: Path) -> None:
    """Write the page to `path`."""
    path.write_text(page(items))


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
