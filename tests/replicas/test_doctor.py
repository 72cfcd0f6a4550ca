"""What the doctor says of replicas, and that its advice works when it is followed."""

import asyncio

import pytest

from app.doctor import Finding, Level, examine
from tests.replicas.conftest import Pair
from tests.support.waiting import LIMIT_SECONDS

NOTHING = "postgresql://postgres@127.0.0.1:1/postgres?sslmode=disable"


async def _found(pair: Pair, **changes: str) -> dict[str, Finding]:
    report = await examine(pair.settings(**changes))
    return {each.check.removeprefix("replicas."): each for each in report.findings if each.group == "replicas"}


async def _well(pair: Pair, check: str) -> None:
    """Wait until a check finds nothing: a replica takes a moment to catch up."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while (await _found(pair))[check].level > Level.OK:
            pass


async def test_a_healthy_replica_is_well(pair: Pair) -> None:
    """Of the connection it says what it says of the primary's on this machine."""
    pair.catch_up()
    found = await _found(pair)
    assert {name: each.level for name, each in found.items()} == {
        "reachable": Level.OK,
        "tls": Level.NOTE,
        "system": Level.OK,
        "recovery": Level.OK,
        "lag": Level.OK,
        "conflicts": Level.OK,
    }
    assert all(
        each.found.startswith(f"postgres@127.0.0.1:{pair.replica.server.port}/postgres: ") for each in found.values()
    )


async def test_without_replicas_it_says_nothing(pair: Pair) -> None:
    """The report is that of before."""
    assert await _found(pair, replica_url="") == {}


WRONG = {
    "paused": ("select pg_wal_replay_pause()", "lag", "paused: "),
    "delayed": ("alter system set recovery_min_apply_delay = '2h'", "lag", "recovery_min_apply_delay = 7200000 ms"),
    "without feedback": ("alter system set hot_standby_feedback = off", "conflicts", "hot_standby_feedback is off"),
}


@pytest.mark.parametrize(("done", "check", "says"), WRONG.values(), ids=WRONG)
async def test_advice_of_statements_works(pair: Pair, done: str, check: str, says: str) -> None:
    """Each statement is run on the replica as it says."""
    pair.replica.run(done, reload=True)
    finding = (await _found(pair))[check]
    assert says in finding.found
    for statement in filter(None, finding.advice.removeprefix("On the replica:").split(";")):
        pair.replica.run(statement)
    await _well(pair, check)


async def test_what_does_not_run_is_named_and_left_out_as_it_says(pair: Pair) -> None:
    """The others are examined all the same; without its URL all is well."""
    found = await _found(pair, replica_url=f"{NOTHING},{pair.replica.url()}")
    report = await examine(pair.settings(replica_url=f"{NOTHING},{pair.replica.url()}"))
    unreachable = [each for each in report.findings if each.check == "replicas.reachable"]
    assert [each.level for each in unreachable] == [Level.WARNING, Level.OK]
    assert "take its URL out of DATABASE_REPLICA_URL" in unreachable[0].advice
    assert found["recovery"].level is Level.OK
    assert (await _found(pair))["reachable"].level is Level.OK


async def test_a_server_that_is_no_replica_is_named(pair: Pair, server_url: str) -> None:
    """The primary itself is one; so is another server, whose rows are others."""
    own = await _found(pair, replica_url=pair.primary.tcp_url() + "?sslmode=disable")
    assert (own["recovery"].level, own["system"].level) == (Level.WARNING, Level.OK)
    other = await _found(pair, replica_url=server_url)
    assert (other["recovery"].level, other["system"].level) == (Level.WARNING, Level.ERROR)
