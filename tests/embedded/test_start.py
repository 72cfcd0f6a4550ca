"""The embedded PostgreSQL starts, is shared by processes, and keeps the rows of a kept folder."""

import os
import tempfile
import threading
from pathlib import Path

import psutil
import pytest

from app.embedded import EmbeddedPostgresError, default_data_folder
from tests.support.embedded import eventually, owner, processes_of, psql
from tests.support.postgres import Postgres


def test_throwaway_server_answers_and_leaves_nothing() -> None:
    """It runs as an ordinary user, and leaves neither a process nor a folder."""
    with Postgres() as server:
        home = server.data_folder
        assert psql(server.url(), "select 1") == "1"
        assert psql(server.url(), "show synchronous_commit") == "on"
        assert psutil.Process(server.pid).uids().effective != 0
        assert server.socket_folder.stat().st_mode & 0o777 == 0o700
        assert len(processes_of(home)) > 2
    assert not processes_of(home)
    assert not home.exists()


def test_two_throwaway_servers_at_once_are_apart() -> None:
    """Each has its own folder and socket."""
    with Postgres() as one, Postgres() as two:
        psql(one.url(), "create database only_here")
        assert psql(two.url(), "select count(*) from pg_database where datname = 'only_here'") == "0"


def test_kept_folder_keeps_its_rows_and_is_durable(folder: Path) -> None:
    """A second, warm start finds what the first one wrote, with durability on."""
    with Postgres(folder) as server:
        assert psql(server.url(), "show fsync") == "on"
        psql(server.url(), "create table kept as select 42 as answer")
    with Postgres(folder) as server:
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


def test_a_process_that_shares_a_server_does_not_end_it(folder: Path) -> None:
    """Only the process that started the server ends or restarts it."""
    with Postgres(folder) as server:
        with Postgres(folder) as guest, pytest.raises(EmbeddedPostgresError, match="Only the process"):
            guest.restart()
        with owner(folder) as (_, (pid, url, _home)):
            assert (int(pid), url) == (server.pid, server.url())
        assert psql(server.url(), "select 1") == "1"


def test_start_while_the_server_is_being_ended_works(folder: Path) -> None:
    """A start at that moment does not share the stopping server: it waits and starts a new one."""
    log = folder / "server.log"
    for _ in range(5):
        log.unlink(missing_ok=True)
        first = Postgres(folder).start()
        ending = threading.Thread(target=first.stop)
        ending.start()
        assert eventually(lambda: "received fast shutdown" in log.read_text())
        with Postgres(folder) as server:
            ending.join()
            assert psql(server.url(), "select 1") == "1"


def test_tcp_is_on_loopback_only_and_only_if_asked_for() -> None:
    """The server has no password, so no other machine can reach it."""
    with Postgres() as server:
        assert not [c for c in psutil.Process(server.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
        with pytest.raises(EmbeddedPostgresError, match="no TCP port"):
            server.tcp_url()
    with Postgres(port=0) as server:
        listening = [
            c.laddr for c in psutil.Process(server.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN
        ]
        assert listening == [("127.0.0.1", server.port)]
        assert psql(server.tcp_url(), "select 1") == psql(server.url(), "select 1") == "1"
        with pytest.raises(EmbeddedPostgresError, match="already in use"):
            Postgres(port=server.port).start()


def test_long_paths_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's path has at most 107 bytes; the data folder's may be longer, with odd characters."""
    long = folder / ("a long path, 100% odd & " + "x" * 120)
    long.mkdir()
    for made in (folder, long):
        made.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    for data_folder in (None, long / "kept"):
        with Postgres(data_folder) as server:
            socket_folder = server.socket_folder
            assert str(server.data_folder).startswith(str(long))
            assert psql(server.url(), 'create database "a b/c?d=%41"') == ""
            assert psql(server.url("a b/c?d=%41"), "select current_database()") == "a b/c?d=%41"
        assert not socket_folder.exists()


def test_environment_of_the_caller_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL reads PG* variables and the locale; neither may change the server that is started."""
    for name, value in {
        "PGPORT": "1",
        "PGDATA": "/nowhere",
        "PGOPTIONS": "-c x",
        "LC_ALL": "xx_XX",
        "LANG": "yy",
    }.items():
        monkeypatch.setenv(name, value)
    with Postgres() as server:
        monkeypatch.undo()
        assert psql(server.url(), "show server_encoding") == "UTF8"


def test_settings_are_given_to_the_server_and_stay_after_a_restart() -> None:
    """The given settings also replace our defaults."""
    with Postgres(settings={"fsync": "on", "work_mem": "5MB"}) as server:
        server.restart()
        assert psql(server.url(), "select current_setting('fsync') || current_setting('work_mem')") == "on5MB"


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_restart_keeps_url_port_and_rows(mode: str) -> None:
    """The fault tests rely on it: clients reconnect to the same address."""
    with Postgres(port=0) as server:
        psql(server.url(), "create table kept as select 42 as answer")
        before = server.url(), server.tcp_url(), server.pid
        server.restart(mode=mode)  # type: ignore[arg-type]
        assert (server.url(), server.tcp_url()) == before[:2]
        assert server.pid != before[2]
        assert psql(server.tcp_url(), "select answer from kept") == "42"
        recovered = "was not properly shut down" in (server.data_folder / "server.log").read_text()
        assert recovered == (mode == "immediate")


def test_default_data_folder_is_stable_and_belongs_to_the_checkout(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each name and checkout has one, in XDG_STATE_HOME if we own it; the first start creates it, private."""
    folder.chmod(0o711)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    here = default_data_folder("serve")
    assert here == default_data_folder("serve") != default_data_folder("demo")
    assert here.is_relative_to(folder)
    assert not here.exists()
    with Postgres(here):
        assert not here.stat().st_mode & 0o066
    monkeypatch.chdir(folder)
    assert default_data_folder("serve") != here
