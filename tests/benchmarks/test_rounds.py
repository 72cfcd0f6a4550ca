"""What the contenders do in a round."""

import json
from dataclasses import asdict
from typing import Any

from benchmarks.contenders import OURS, TUNED_SESSION, Place
from benchmarks.processes import Process
from benchmarks.rounds import CLOSE, Field, Rounds, time_calls
from benchmarks.server import create_database, furnish, server


class _Counted(Process):
    """A worker of this layer that counts its turns, whatever contender it stands for."""

    turns = 0

    async def ask(self, **question: Any) -> dict[str, Any]:
        self.turns += question["do"] == "run"
        return await super().ask(**question)


async def _start(url: str, place: Place) -> _Counted:
    worker = await _Counted.start("worker", OURS, url, json.dumps(asdict(place)), "uvloop")
    assert isinstance(worker, _Counted)
    return worker


async def test_contenders_near_a_limit_take_several_turns_in_a_round() -> None:
    """And the others one; each round gives one figure of each, of all its calls."""
    assert OURS in CLOSE
    assert TUNED_SESSION not in CLOSE
    told: list[str] = []
    with server() as postgres:
        url = await create_database(postgres.port, "bench")
        place = (await furnish(url))[OURS]
        near, far = await _start(url, place), await _start(url, place)
        field = Field({OURS: near, TUNED_SESSION: far}, postgres.port, "bench", operations=("get",))
        found = await time_calls(field, Rounds(0, rounds=2, calls=3, turns=4), told.append, chapter="here")
        await near.end()
        await far.end()
    assert {(each.contender, len(each.rounds), len(each.cpu_rounds)) for each in found} == {
        (OURS, 2, 2),
        (TUNED_SESSION, 2, 2),
    }
    warm_up = 1
    assert (near.turns, far.turns) == ((2 + warm_up) * 4, 2 + warm_up)
    assert {what.partition(":")[0] for what in told} == {"here"}
