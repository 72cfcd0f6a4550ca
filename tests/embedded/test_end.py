"""The embedded server loses nothing and leaves nothing behind, whichever process is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.support.embedded import AS_ROOT, SERVE, eventually, owner, processes_of, psql
from tests.support.postgres import Postgres


def test_kill_of_the_owner_leaves_nothing_of_a_throwaway_server() -> None:
    """Its processes and its folder are removed, even if a child that the owner forked is still running."""
    forking = SERVE.replace("    sys.stdin", "    os.fork() or time.sleep(20)\n    sys.stdin")
    with owner(code=forking) as (pid, (_, _, home)):
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not processes_of(home) and not Path(home).exists())
        os.killpg(pid, signal.SIGKILL)


def test_start_right_after_the_owner_was_killed_finds_all_rows(folder: Path) -> None:
    """A server whose owner has ended is not shared, because it is about to stop."""
    with owner(folder) as (pid, (old, url, _)):
        psql(url, "create table kept as select 42 as answer")
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with Postgres(folder) as server:
            assert server.pid != int(old)
            assert eventually(lambda: not psutil.pid_exists(int(old)))
            assert psql(server.url(), "select answer from kept") == "42"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tell a process that its parent died")
def test_kill_of_the_guard_leaves_no_server(folder: Path) -> None:
    """No server is orphaned, whichever process is killed."""
    with Postgres(folder) as server:
        os.kill(psutil.Process(server.pid).ppid(), signal.SIGKILL)
        assert eventually(lambda: not processes_of(folder))
        server.restart()
        assert psql(server.url(), "select 1") == "1"


def test_killed_server_can_be_restarted_with_all_rows(folder: Path) -> None:
    """Recovery works even while an open connection's process briefly outlives the postmaster."""
    with Postgres(folder) as server:
        psql(server.url(), "create table kept as select 42 as answer")
        command = [str(server.bin_folder / "psql"), server.url(), "-c", "select pg_sleep(60)"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            assert eventually(
                lambda: len(psql(server.url(), "select pid from pg_stat_activity where wait_event='PgSleep'")) > 0
            )
            os.kill(server.pid, signal.SIGKILL)
            server.restart()
        assert psql(server.url(), "select answer from kept") == "42"


def test_pid_that_has_become_another_process_does_not_stop_the_start(folder: Path) -> None:
    """After a container's crash the same small pids are used again."""
    server = Postgres(folder).start()
    account = psutil.Process(server.pid).uids().effective if AS_ROOT else None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    with subprocess.Popen(["sleep", "60"], user=account) as other:
        lock = folder / "pgdata" / "postmaster.pid"
        lock.write_text("\n".join([str(other.pid), *lock.read_text().splitlines()[1:]]) + "\n")
        with Postgres(folder) as server:
            assert psql(server.url(), "select 1") == "1"
        assert other.poll() is None
        other.kill()


def test_ctrl_c_does_not_end_the_server_before_we_do() -> None:
    """The owner can still talk to it while it cleans up."""
    head, print_it, _ = SERVE.rsplit("\n    ", 2)
    code = f"{head}\n    try: {print_it}; time.sleep(60)\n    except KeyboardInterrupt: sys.stdin.read()"
    with owner(code=code) as (pid, (_, url, home)):
        os.killpg(pid, signal.SIGINT)
        time.sleep(0.5)  # nothing tells that a server goes on: this is time for its end to show
        assert psql(url, "select 1") == "1"
    assert not processes_of(home)


def test_server_outlives_the_thread_that_started_it() -> None:
    """The worker thread of a pool may end at any time."""
    server = Postgres()
    starting = threading.Thread(target=server.start)
    starting.start()
    starting.join()
    time.sleep(0.5)  # likewise
    with server:
        assert psql(server.url(), "select 1") == "1"


def test_half_made_database_is_made_anew(folder: Path) -> None:
    """A killed first start does not spoil the folder, even while its initdb is still running."""
    with owner(folder, code=SERVE.replace("with ", "print(flush=True)\nwith ")) as (pid, _):
        assert eventually(lambda: bool(list(folder.glob("pgdata.new*/base"))))
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with Postgres(folder) as server:
            assert psql(server.url(), "select 1") == "1"
    with Postgres(folder):
        assert not list(folder.glob("pgdata.new*"))
