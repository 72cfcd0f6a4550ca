"""Each fault against each kind of call: what the caller gets, how many rows are left, and how long it takes."""

from functools import partial

import pytest

from tests.faults import breakages as broken
from tests.faults.breakages import Fault
from tests.faults.conftest import KINDS, Lab

SERVED = "served"
ALL_SERVED = (SERVED,) * 4
ALL_UNAVAILABLE = ("UnavailableError",) * 4
LOST_WRITE = (SERVED, "OutcomeUnknownError", SERVED, SERVED)
ASLEEP = "Couldn't connect to compute node"

FAULTS = [
    Fault(1, "scaled to zero, idle pool", broken.ended_while_idle, ALL_SERVED),
    Fault(2, "restarted, in order and after a crash, idle pool", broken.restarted, ALL_SERVED),
    Fault(3, "session ended in mid-statement", broken.ended_in_mid_statement, LOST_WRITE),
    Fault(5, "reply lost after the server did it", broken.reply_lost, (*LOST_WRITE[:3], "OutcomeUnknownError")),
    Fault(6, "connection reset while the server works", broken.reset_while_it_works, LOST_WRITE),
    Fault(7, "server down for longer than the deadline", broken.away, ALL_UNAVAILABLE),
    Fault(8, "cold start: first connects take a second", broken.cold_start, ALL_SERVED),
    Fault(8, "asleep (XX000) for a second", broken.answered_with("XX000", ASLEEP, seconds=1), ALL_SERVED),
    Fault(9, "connects fail, then work", broken.refused_then_healthy, ALL_SERVED),
    Fault(10, "starting up (57P03)", broken.answered_with("57P03", "starting up", seconds=1), ALL_SERVED),
    Fault(11, "too many connections (53300)", broken.answered_with("53300", "too many", seconds=1), ALL_SERVED),
    Fault(12, "wrong password", broken.answered_with("28P01", "no", seconds=9), ("ConfigurationError",) * 4),
    Fault(12, "quota (XX000)", broken.answered_with("XX000", "quota", seconds=9), ("ConfigurationError",) * 4),
    Fault(13, "half-open connections", broken.half_open, ALL_SERVED),
    Fault(14, "black hole", broken.black_hole, ALL_UNAVAILABLE),
    Fault(15, "slow link", broken.slow_link, ALL_SERVED),
    Fault(17, "cancelled in mid-statement", broken.cancelled, ("CancelledError",) * 4),
    Fault(21, "pool exhausted", broken.exhausted, ("PoolTimeoutError",) * 4),
    Fault(23, "server has become read-only", broken.read_only, ALL_SERVED),
    Fault(24, "columns added, widened and retyped under load", broken.altered, ALL_SERVED),
    Fault(29, "server frozen for a second", broken.frozen, ALL_SERVED),
]

CASES = [
    pytest.param(
        fault,
        kind,
        outcome,
        id=f"{fault.name}-{kind}",
        marks=pytest.mark.fault(row=fault.row, name=fault.name, **{kind: outcome}),
    )
    for fault in FAULTS
    for kind, outcome in zip(KINDS, fault.outcomes, strict=True)
]


@pytest.mark.parametrize(("fault", "kind", "outcome"), CASES)
async def test_matrix(lab: Lab, fault: Fault, kind: str, outcome: str) -> None:
    """The call has the outcome that the matrix states, and a served write is stored exactly once."""
    before = await lab.rows()
    assert await fault.breakage(lab, kind, partial(lab.call, kind)) == outcome
    written = await lab.rows() - before
    if kind == "read" or outcome in {"UnavailableError", "ConfigurationError", "PoolTimeoutError"}:
        assert written == 0
    elif outcome == SERVED:
        assert written == (2 if fault.breakage is broken.altered else 1)
    else:
        assert written <= 1
