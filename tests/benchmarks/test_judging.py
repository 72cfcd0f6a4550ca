"""A budget gets the verdict that its rounds support."""

import pytest

from benchmarks.judging import FEWEST_ROUNDS, Budget, Verdict, at_least, at_most
from benchmarks.spread import Spread


def test_a_ratio_is_taken_within_each_round() -> None:
    """A round in which the machine was slow for both contenders counts like the others."""
    found = Spread.of_ratios([1.0, 10.0, 1.1, 1.0, 0.9], [2.0, 20.0, 2.2, 2.0, 1.8])
    assert (found.quarter, found.median, found.three_quarters) == pytest.approx((0.5, 0.5, 0.5))


def test_the_contenders_must_have_run_in_the_same_rounds() -> None:
    """A contender that missed a round is an error, not a shorter comparison."""
    with pytest.raises(ValueError, match="shorter"):
        Spread.of_ratios([1.0, 1.0], [1.0])


@pytest.mark.parametrize(
    ("rounds", "verdict"),
    [
        ([0.9, 0.95, 0.97, 0.99, 1.3], Verdict.HELD),
        ([0.98, 0.99, 1.02, 1.03, 1.04], Verdict.HELD),  # the limit lies within the quartiles
        ([0.9, 1.01, 1.02, 1.03, 1.04], Verdict.OVER),  # one lucky round is not enough
        ([0.9, 0.9, 0.9, 0.9], Verdict.UNDECIDED),
        ([1.5], Verdict.UNDECIDED),
    ],
)
def test_at_most_is_judged_by_the_first_quartile(rounds: list[float], verdict: Verdict) -> None:
    """And only from five rounds on."""
    assert at_most("a call", 1.0, {"get": Spread.of(rounds)}).verdict is verdict


@pytest.mark.parametrize(
    ("rounds", "verdict"),
    [
        ([0.7, 0.85, 0.88, 0.91, 0.92], Verdict.HELD),
        ([0.7, 0.85, 0.88, 0.89, 1.2], Verdict.OVER),
        ([2.0] * (FEWEST_ROUNDS - 1), Verdict.UNDECIDED),
    ],
)
def test_at_least_is_judged_by_the_third_quartile(rounds: list[float], verdict: Verdict) -> None:
    """And only from five rounds on."""
    assert at_least("calls", 0.9, {"": Spread.of(rounds)}).verdict is verdict


@pytest.mark.parametrize(
    "judged",
    [
        at_most("a call", 1.0, {"get": Spread.of([0.5] * 5), "page": Spread.of([1.2] * 5)}),
        at_least("a call", 1.0, {"get": Spread.of([1.5] * 5), "page": Spread.of([0.7] * 5)}),
    ],
)
def test_the_worst_of_several_decides_and_is_named(judged: Budget) -> None:
    """One operation over its limit is enough."""
    assert judged.verdict is Verdict.OVER
    assert judged.measured.endswith(" page")
