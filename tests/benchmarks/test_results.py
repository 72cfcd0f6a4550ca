"""What a run measured becomes a result, a table and a document."""

import json
from pathlib import Path

import pytest

from benchmarks.budgets import budgets
from benchmarks.contenders import BASELINE, NO_RESET, OURS, SAME_MODELS
from benchmarks.document import document
from benchmarks.readme import with_figures
from benchmarks.results import OPERATIONS, Burst, Results, Served
from benchmarks.rounds import timing
from benchmarks.services import ANSWERED_WHOLE, PLAIN, Ask
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


def test_the_average_is_one_figure(results: Results) -> None:
    """What the README says is what is judged: the median over the rounds, of all operations."""
    (judged,) = [budget for budget in budgets(results) if budget.what == "the same, on average"]
    readme = with_figures((ROOT / "README.md").read_text(), results)
    assert f"{judged.measured.partition(' ')[0]} on average" in " ".join(readme.split())


def test_the_turn_is_judged_where_its_round_trips_count(results: Results) -> None:
    """With 1 ms of delay against asyncpg without reset, and without delay against the same models."""
    judged = {budget.what: budget.limit for budget in budgets(results) if "turn" in budget.what}
    assert judged == {
        f"a chat turn with 1 ms of delay, to {NO_RESET}": "≤ 0.8x",
        f"a chat turn without delay, to {SAME_MODELS}": "≤ 1.0x",
    }


def _burst(
    contender: str, callers: int, calls_per_second: list[float], *, errors: int = 0, connections: int = 20
) -> Burst:
    return Burst(contender, callers, calls_per_second, 5e-5, 0.01, 0.02, 1.3, 10**8, connections, errors, None)


@pytest.mark.parametrize(
    ("ours", "errors", "connections", "verdicts"),
    [
        ([90, 91, 89, 92, 90], 0, 20, ["held", "held"]),
        ([80, 91, 85, 84, 86], 0, 20, ["OVER", "held"]),
        ([90, 91, 89, 92, 90], 1, 20, ["held", "OVER"]),
        ([90, 91, 89, 92, 90], 0, 21, ["held", "OVER"]),
    ],
)
def test_a_thousand_callers_are_judged_by_their_rounds(
    results: Results, ours: list[float], errors: int, connections: int, verdicts: list[str]
) -> None:
    """Against the floor in the same rounds; errors and connections count at every number of callers."""
    results.concurrency = [
        _burst(OURS, 1_000, ours),
        _burst(NO_RESET, 1_000, [100.0] * 5),
        _burst(OURS, 10_000, [1.0] * 5, errors=errors, connections=connections),
        _burst(NO_RESET, 10_000, [100.0] * 5),
    ]
    assert [budget.verdict for budget in budgets(results) if "callers" in budget.what] == verdicts
    text = document(results)
    assert f"| 10,000, {OURS} | 1 (1-1) | 10.00 | 20.00 | 1.30 | 100 | {connections} |" in text


def test_event_loops_and_tls_have_a_table(results: Results) -> None:
    """One row for each variant and contender, with the times and the processor's."""
    timings = [found for found in results.timings if found.delay_ms == 0 and found.operation in {"get", "page"}]
    measured = [found for contender in (OURS, NO_RESET) for found in timings if found.contender == contender]
    results.variants = {"with TLS": measured}
    (table,) = [table for table in tables(results) if table.title == "Event loops, and TLS"]
    assert [row[0] for row in table.rows] == [f"with TLS: {OURS}", f"with TLS: {NO_RESET}"]
    assert {len(row) for row in table.rows} == {len(table.columns)}


def _served(service: str, ask: Ask, microseconds: list[float], per_second: list[float]) -> Served:
    return Served(service, ask.name, [each / 1e6 for each in microseconds], per_second)


@pytest.mark.parametrize("slow", ANSWERED_WHOLE, ids=lambda ask: ask.name)
def test_the_service_is_judged_against_the_same_by_hand(results: Results, slow: Ask) -> None:
    """By the processor time of each request whose answer is not streamed, in the same rounds."""
    results.served = []
    for ask in ANSWERED_WHOLE:
        ours = [700.0, 810.0, 820.0, 830.0, 840.0] if ask == slow else [780.0, 790.0, 850.0, 860.0, 870.0]
        results.served += [_served(OURS, ask, ours, [1_500.0] * 5), _served(PLAIN, ask, [1_000.0] * 5, [1_000.0] * 5)]
    judged = [budget.verdict for ask in ANSWERED_WHOLE for budget in budgets(results) if f"`{ask.name}`" in budget.what]
    assert judged == ["OVER" if ask == slow else "held" for ask in ANSWERED_WHOLE]
    (table,) = [table for table in tables(results) if table.title == "The service"]
    assert [row[0] for row in table.rows] == [f"{ask.name}: {name}" for ask in ANSWERED_WHOLE for name in (OURS, PLAIN)]
    assert table.rows[1][1:] == ["1000 (1000-1000)", "1.00 (1.00-1.00)", "1,000 (1,000-1,000)"]


def test_what_was_not_served_is_an_error(results: Results) -> None:
    """No budget is held by a measurement that is missing."""
    results.served = [_served(OURS, ask, [1.0] * 5, [1.0] * 5) for ask in ANSWERED_WHOLE]
    with pytest.raises(LookupError, match=PLAIN):
        budgets(results)


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
