"""Export, import and erase a user with many messages by the commands: `python -m benchmarks.userdata`.

It ends with 1 if the export of the imported user is not the first one, byte for byte.
"""

import argparse
import asyncio
import filecmp
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from app.embedded import EmbeddedPostgres
from benchmarks.server import create_database

_DURABLE = {"fsync": "on", "full_page_writes": "on"}
_CONVERSATIONS = 1000
_HEAD = "| command | time | client's processor | peak memory |"
_FILL = (
    (
        "insert into conversation (user_id) select case when n % 2 = 0 then 'ada' else 'eve' end"
        f" from generate_series(1, {2 * _CONVERSATIONS}) n"
    ),
    (
        "insert into task (user_id, title, idempotency_key, idempotency_digest)"
        " select 'ada', 'Task ' || n, gen_random_uuid(), sha256('x') from generate_series(1, 1000) n"
    ),
    (
        "insert into message (user_id, conversation_id, role, content, idempotency_key)"
        " select user_id, id, 'user', repeat('hello ', 20) || n, gen_random_uuid()"
        " from generate_series(1, $1::int) n, conversation"
    ),
    "vacuum analyze",
)


async def _filled(port: int, messages: int) -> str:
    url = await create_database(port, "userdata")
    connection = await asyncpg.connect(url, command_timeout=3600)
    for statement in _FILL:
        await connection.execute(statement, *([messages // _CONVERSATIONS] if "$1" in statement else []))
    await connection.close()
    return url


def _run(url: str, name: str, *arguments: str) -> None:
    """Run a command, and print what it took."""
    began, environment = time.perf_counter(), {**os.environ, "DATABASE_URL": url}
    command = [sys.executable, "-m", "app", "user", *arguments]
    pid = os.posix_spawn(command[0], command, environment, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, 1, 0)])
    _, status, used = os.wait4(pid, 0)
    took = time.perf_counter() - began
    print(
        f"| {name} | {took:.1f} s | {used.ru_utime + used.ru_stime:.1f} s | {used.ru_maxrss / 1024:.0f} MB |",
        flush=True,
    )
    if status:
        raise SystemExit(f"{name}: status {status}")


def main(messages: int) -> int:
    """Print a row for each command; return the exit status."""
    with EmbeddedPostgres(port=0, settings=_DURABLE) as postgres, TemporaryDirectory() as folder:
        url = asyncio.run(_filled(postgres.port, messages))
        first, second, nothing = (str(Path(folder) / name) for name in ("first", "second", "nothing"))
        print(f"{_HEAD}\n|---|---|---|---|")
        _run(url, "export of a user who has nothing", "export", "nobody", "--output", nothing)
        _run(url, "export", "export", "ada", "--output", first)
        _run(url, "import, with the check of the file before it", "import", "bob", first)
        _run(url, "second export, of the imported user", "export", "bob", "--output", second)
        _run(url, "erase", "erase", "bob", "--yes")
        is_equal = filecmp.cmp(first, second, shallow=False)
        size = Path(first).stat().st_size / 1e6
        print(f"\n{size:,.0f} MB; the second export is {'the first' if is_equal else 'ANOTHER'}, byte for byte.")
    return not is_equal


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.userdata", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    sys.exit(main(parser.parse_args().messages))
