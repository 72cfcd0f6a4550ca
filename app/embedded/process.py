"""The processes of the embedded PostgreSQL: run under a guard, shared by other processes, ended with the owner.

Run as a script, this file is the *guard*, the process between the owner and the server. It has its own process session,
so Ctrl-C reaches neither it nor the server, and it ends the server when the owner has ended, even by kill -9.
The owner cannot set a parent-death signal instead: it fires when the *thread* that forked ends, exists on Linux only,
and needs `preexec_fn`, which is unsafe in a process with threads (Python 3.12 warns). The guard has one thread when it
forks.
"""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

_CLEANED = ("PG", "LD_", "DYLD_", "PYTHON", "LC_", "LANG")
_PR_SET_PDEATHSIG = 1
_OWNER_CHECK_SECONDS = 0.2
_POLL_SECONDS = 0.01
_START_SECONDS = 60.0
_ORDERLY_SECONDS = 20.0
_STALE_SECONDS = 1.0
_LOG_LINES = 15
_STILL_DYING = "pre-existing shared memory block"  # backends briefly outlive a killed postmaster


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot run; the text says why and what to do."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}\nOr set DATABASE_URL (tests: TEST_DATABASE_URL) to a PostgreSQL of your own.")


class Account(NamedTuple):
    """The arguments of `subprocess` that choose the server's user; all None means the user of this process."""

    user: int | None = None
    group: int | None = None
    extra_groups: list[int] | None = None


class Address(NamedTuple):
    """Where a server listens."""

    folder: Path
    port: int
    tcp: bool


class Postmaster(NamedTuple):
    """The content of `postmaster.pid`; the server may have died since."""

    pid: int
    started: str
    address: Address
    ready: bool

    @classmethod
    def read(cls, pgdata: Path) -> "Postmaster | None":
        """Return the content, or None if there is no complete file."""
        try:
            lines = (pgdata / "postmaster.pid").read_text(errors="replace").splitlines()
            pid, _, started, port, folder, host, *rest = [line.strip() for line in lines] + [""] * max(
                0, 8 - len(lines)
            )
            return cls(int(pid), started, Address(Path(folder), int(port or 0), bool(host)), rest[-1] == "ready")
        except (FileNotFoundError, ValueError):  # absent, or being written
            return None

    def answers(self) -> bool:
        """Return whether a server listens there: the pid may have been reused, but the socket cannot be."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.address.folder / f".s.PGSQL.{self.address.port}"))
            except OSError:
                return False
        return True

    def await_end(self, pgdata: Path) -> None:
        """End a server whose owner has ended, and wait until it releases its files."""
        started = time.monotonic()
        if self.answers():
            os.kill(self.pid, signal.SIGINT)
        while (now := self.read(pgdata)) and now.pid == self.pid and _exists(self.pid):
            waited = time.monotonic() - started
            answers = self.answers()
            if not answers and waited > _STALE_SECONDS:
                return  # the pid now belongs to another process
            if answers and waited > _ORDERLY_SECONDS:
                raise EmbeddedPostgresError(
                    f"A PostgreSQL left over in {pgdata} (process {self.pid}) does not end. End it."
                )
            time.sleep(0.01)


def run_as(account: Account, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run one of the wheel's programs and return its output."""
    return subprocess.run(
        command,
        env=_server_environment(None),
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        user=account.user,
        group=account.group,
        extra_groups=account.extra_groups,
    )


def launch(
    command: Sequence[str], account: Account, *, pgdata: Path, log: Path, doomed: Sequence[str]
) -> subprocess.Popen[bytes]:
    """Start the server and wait until it listens; the guard deletes the `doomed` folders if this process ends first."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        offset = log.stat().st_size if log.exists() else 0
        stale = Postmaster.read(pgdata)
        guard = _spawn_guard(command, account, stale, log, doomed)
        try:
            if _await_ready(guard, pgdata, stale, deadline):
                return guard
        except BaseException:
            end(guard, orderly=False)
            raise
        end(guard, orderly=False)
        said = log.read_bytes()[offset:].decode(errors="replace")
        if _STILL_DYING not in said or time.monotonic() > deadline:
            raise EmbeddedPostgresError(f"PostgreSQL did not start in {pgdata.parent}:\n{tail(said)}")
        time.sleep(0.1)


def end(guard: subprocess.Popen[bytes], *, orderly: bool) -> None:
    """End the server and its guard; connections are closed either way, and an orderly end needs no recovery."""
    for number in [signal.SIGINT, signal.SIGQUIT][not orderly :]:
        guard.send_signal(number)
        try:
            guard.wait(_ORDERLY_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return
    guard.kill()
    guard.wait()


def tail(said: str) -> str:
    """Return the last lines of a program's output."""
    return "\n".join(said.strip().splitlines()[-_LOG_LINES:]) or "(no output)"


def _spawn_guard(
    command: Sequence[str], account: Account, stale: Postmaster | None, log: Path, doomed: Sequence[str]
) -> subprocess.Popen[bytes]:
    order = json.dumps([os.getpid(), account, stale and stale.pid, doomed, command])
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, order],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    finally:
        os.close(output)


def _await_ready(guard: subprocess.Popen[bytes], pgdata: Path, stale: Postmaster | None, deadline: float) -> bool:
    while guard.poll() is None and time.monotonic() < deadline:
        found = Postmaster.read(pgdata)
        if found and found.ready and found != stale:
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _guard(
    owner: int, account: Account, stale_pid: int | None, doomed: Sequence[str], command: Sequence[str]
) -> int:  # pragma: no cover  (a separate process)
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    die_with_us = partial(_die_with_guard, libc, os.getpid())
    server = subprocess.Popen(
        command,
        env=_server_environment(stale_pid),
        preexec_fn=die_with_us,  # noqa: PLW1509  (one thread so far; runs after the change of user, which would reset it)
        user=account.user,
        group=account.group,
        extra_groups=account.extra_groups,
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(
            number, lambda got, _: server.send_signal(signal.SIGQUIT if got == signal.SIGQUIT else signal.SIGINT)
        )
    threading.Thread(target=_end_without_owner, args=(server, owner), daemon=True).start()
    code = server.wait()
    if os.getppid() != owner:
        for folder in doomed:
            shutil.rmtree(folder, ignore_errors=True)
    return int(code != 0)


def _die_with_guard(libc: ctypes.CDLL | None, guard: int) -> None:  # pragma: no cover  (as above)
    if libc is not None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != guard:
        os._exit(1)


def _end_without_owner(server: subprocess.Popen[bytes], owner: int) -> None:  # pragma: no cover  (as above)
    # Polls, because a child that the owner forked would hold a pipe open.
    while os.getppid() == owner:
        time.sleep(_OWNER_CHECK_SECONDS)
    server.send_signal(signal.SIGINT)
    time.sleep(_ORDERLY_SECONDS)
    server.send_signal(signal.SIGQUIT)


def _server_environment(stale_pid: int | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_CLEANED)}
    # The pid in a crashed server's lock files may now belong to another process (often, in a container), and then
    # PostgreSQL refuses to start. It treats the pid given here as stale, and still checks shared memory for survivors.
    reused = {} if stale_pid is None else {"PG_GRANDPARENT_PID": str(stale_pid)}
    return {**kept, "LC_ALL": "C", **reused}


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as exc:
        return isinstance(exc, PermissionError)
    return True


if __name__ == "__main__":  # pragma: no cover  (as above)
    _owner, _account, *_rest = json.loads(sys.argv[1])
    sys.exit(_guard(_owner, Account(*_account), *_rest))
