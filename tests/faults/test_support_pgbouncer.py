"""The pooler that the tests run: it is real, it has the given settings, and it does not outlive the tests."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from tests.support import needs
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import Postgres
from tests.support.tls import Authority
from tests.support.waiting import until

_RUNS_A_POOLER = """
import sys, time
from tests.support import needs
from tests.support.pgbouncer import PgBouncer

with PgBouncer("127.0.0.1", int(sys.argv[1])) as pooler:
    print(pooler.port, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that the pooler's user can enter."""
    with TemporaryDirectory(dir="/tmp") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_the_console_tells_of_the_pool(migrated_server: Postgres) -> None:
    """The pool's size is the one that was set."""
    with PgBouncer("127.0.0.1", migrated_server.port, pool_size=3) as pooler:
        url = pooler.url("postgres")
        async with Database(DatabaseSettings(url=url, pooler="transaction")) as db:
            await asyncio.gather(*(db.execute(text("select pg_sleep(0.1)")) for _ in range(6)))
            pools = {pool["database"]: pool for pool in await pooler.admin("SHOW POOLS")}
            assert pools["postgres"]["pool_mode"] == "transaction"
            assert pools["postgres"]["sv_idle"] == "3"


async def test_clients_use_tls_and_a_password_where_they_must(migrated_server: Postgres, folder: Path) -> None:
    """As with Neon, the certificate is verified, and a wrong password is refused."""
    authority = Authority(folder, "ours")
    pooler = PgBouncer(
        "127.0.0.1",
        migrated_server.port,
        auth_type="scram-sha-256",
        users={"ada": "lovelace"},
        certificate=authority.issue("pooler", "127.0.0.1"),
    )
    with pooler:
        url = pooler.url("postgres", sslmode="verify-full", sslrootcert=str(authority.ca))
        connection = await asyncpg.connect(url)
        await connection.close()
        assert await pooler.admin("SHOW VERSION")
        for wrong in (url.replace("lovelace", "byron"), pooler.url("postgres", sslmode="disable")):
            with pytest.raises(asyncpg.ProtocolViolationError, match=r"SASL authentication failed|SSL required"):
                await asyncpg.connect(wrong)


async def test_it_restarts_on_its_port(migrated_server: Postgres) -> None:
    """Its clients can reconnect."""
    with PgBouncer("127.0.0.1", migrated_server.port) as pooler:
        pooler.restart()
        assert _answers(pooler.port)
    assert not _answers(pooler.port)


async def test_it_ends_with_the_tests_that_are_killed(migrated_server: Postgres) -> None:
    """The pooler ends even if the tests are killed with kill -9."""
    needs.pgbouncer()
    tests = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _RUNS_A_POOLER, str(migrated_server.port), stdout=subprocess.PIPE
    )
    assert tests.stdout is not None
    port = int(await tests.stdout.readline())
    assert _answers(port)
    tests.kill()
    await tests.wait()
    await until(lambda: not _answers(port))
