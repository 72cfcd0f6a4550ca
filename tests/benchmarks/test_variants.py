"""The variants beside the main table are what they are called."""

import asyncpg

from benchmarks.rounds import Rounds
from benchmarks.server import create_database, furnish, server, tls_server, url_of
from benchmarks.variants import MEASURED, READS, variants


async def test_the_server_with_openssl_encrypts_when_it_is_asked_to() -> None:
    """And only then: both are measured on the same server."""
    with tls_server() as postgres:
        for sslmode, encrypted in (("disable", False), ("require", True)):
            connection = await asyncpg.connect(url_of(postgres.port, "postgres", sslmode=sslmode))
            used = await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
            await connection.close()
            assert used is encrypted


async def test_each_variant_measures_the_same_reads() -> None:
    """Both event loops, with TLS and without; each with a time and a processor time per round."""
    told: list[str] = []
    with server() as postgres:
        url = await create_database(postgres.port, "bench")
        found = await variants(url, await furnish(url), Rounds(0, rounds=2, calls=2), told.append)
    assert list(found) == ["uvloop", "asyncio's event loop", "without TLS", "with TLS"]
    for timings in found.values():
        assert [(each.contender, each.operation) for each in timings] == [(a, b) for a in MEASURED for b in READS]
        assert all(len(each.rounds) == len(each.cpu_rounds) == 2 for each in timings)
    assert {what.partition(":")[0] for what in told} == {"event loops and TLS"}
