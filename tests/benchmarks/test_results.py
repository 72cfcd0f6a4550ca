"""What a run measured becomes a result, a table and a document."""

import json
from pathlib import Path

import pytest

from benchmarks.budgets import budgets
from benchmarks.contenders import BASELINE, NO_RESET, OURS, SAME_MODELS
from benchmarks.document import document
from benchmarks.readme import with_figures
from benchmarks.results import OPERATIONS, Results
from benchmarks.rounds import timing
from benchmarks.tables import tables

ROOT = Path(__file__).parents[2]
STORED = ROOT / "benchmarks/results.json"


@pytest.fixture
def results() -> Results:
    """Give the last run."""
    return Results.load(STORED)


def test_a_timing_keeps_its_rounds() -> None:
    """The quartiles are of all calls; each round gives one median and one processor time per call."""
    rounds = [{"seconds": [1.0, 3.0, 2.0], "cpu_seconds": 3.0}, {"seconds": [5.0, 4.0, 6.0], "cpu_seconds": 6.0}]
    found = timing(OURS, "get", 0, rounds)
    assert found.rounds == [2.0, 5.0]
    assert found.cpu_rounds == [1.0, 2.0]
    assert (found.quarter, found.median, found.three_quarters, found.cpu) == (2.25, 3.5, 4.75, 1.5)


def test_results_survive_their_file(results: Results, tmp_path: Path) -> None:
    """What is read is what was written."""
    results.save(tmp_path / "results.json")
    assert json.loads((tmp_path / "results.json").read_text()) == json.loads(STORED.read_text())


def test_the_document_is_of_the_stored_run(results: Results) -> None:
    """`docs/benchmarks.md` is written from `results.json`; if out of date, run `python -m benchmarks --report`."""
    assert (ROOT / "docs/benchmarks.md").read_text() == document(results)


def test_the_readme_has_the_figures_of_the_stored_run(results: Results) -> None:
    """Its sentences are written from `results.json` too, and follow it."""
    readme = (ROOT / "README.md").read_text()
    assert with_figures(readme, results) == readme
    for found in results.timings:
        if found.contender == OURS:
            found.rounds = [2 * seconds for seconds in found.rounds]
    assert with_figures(readme, results) != readme


def test_a_readme_without_a_place_for_figures_is_refused(results: Results) -> None:
    """Else a run would leave the old figures."""
    with pytest.raises(ValueError, match="no place"):
        with_figures("# A project", results)


def test_the_turn_is_judged_where_its_round_trips_count(results: Results) -> None:
    """With 1 ms of delay against asyncpg without reset, and without delay against the same models."""
    judged = {budget.what: budget.limit for budget in budgets(results) if "turn" in budget.what}
    assert judged == {
        f"a chat turn with 1 ms of delay, to {NO_RESET}": "≤ 0.8x",
        f"a chat turn without delay, to {SAME_MODELS}": "≤ 1.0x",
    }


@pytest.mark.parametrize("delay_ms", [0, 1, 5])
def test_processor_time_stands_beside_time(results: Results, delay_ms: int) -> None:
    """Both with quartiles, for each operation, the turn included, against the drivers' contenders."""
    (table,) = [
        table for table in tables(results) if table.title.startswith("This layer") and f" {delay_ms} ms" in table.title
    ]
    assert table.columns[1:] == list(OPERATIONS)
    rows = {row[0]: row[1:] for row in table.rows}
    for name in (BASELINE, NO_RESET, SAME_MODELS):
        for kind in ("time", "processor"):
            assert all("(" in cell for cell in rows[f"{name}, {kind}"])
