"""A primary and its streaming replica, from the embedded PostgreSQL's own programs."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.embedded.host import make_home, server_account
from app.embedded.process import run_as
from tests.support.embedded import psql
from tests.support.postgres import Postgres

_PRIMARY: Final = {"max_connections": "100", "wal_writer_delay": "10ms", "autovacuum": "off"}
_REPLICA: Final = {
    "max_connections": "100",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_receiver_status_interval": "100ms",
    "wal_retrieve_retry_interval": "100ms",
}


class Replica:
    """A streaming replica of `primary`, on a port of loopback that it keeps."""

    def __init__(self, primary: Postgres, folder: Path) -> None:
        self._primary = primary
        self._folder = folder
        self._copy()
        self.server = Postgres(folder, settings=_REPLICA, port=0)
        self.server.start()
        self._keep_rows()

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database on the replica, through TCP."""
        return self.server.tcp_url(database) + "?sslmode=disable"

    def delay(self, milliseconds: int) -> None:
        """Have each commit applied so many milliseconds late, from now on."""
        self.run(f"alter system set recovery_min_apply_delay = '{milliseconds}ms'", reload=True)

    def run(self, sql: str, *, reload: bool = False) -> str:
        """Run a statement of a superuser and return its value."""
        told = psql(self.server.url(), sql)
        return psql(self.server.url(), "select pg_reload_conf()") if reload else told

    def pause(self) -> None:
        """Apply nothing more until `resume`; what is under way is finished first."""
        self.run("select pg_wal_replay_pause()")
        while self.run("select pg_get_wal_replay_pause_state()") != "paused":
            pass

    def resume(self) -> None:
        """Apply what has come meanwhile."""
        self.run("select pg_wal_replay_resume()")

    def promote(self) -> None:
        """Make it a primary of its own."""
        assert self.run("select pg_promote()") == "t"

    def kill(self) -> None:
        """End it as a crash does."""
        self.server._end("immediate")

    def rebuild(self) -> None:
        """End it, and make it anew from the primary, on the same port."""
        self.kill()
        shutil.rmtree(self._folder / "pgdata")
        self._copy()
        self.server._share_or_launch()
        self._keep_rows()

    def _keep_rows(self) -> None:
        """Have the primary keep the rows that reads here need, so that none is cancelled."""
        self.run("alter system set hot_standby_feedback = on", reload=True)

    def _copy(self) -> None:
        account = server_account()
        command = ["pg_basebackup", "-D", str(self._folder / "pgdata"), "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        if account.user is not None and account.group is not None:
            os.chown(self._folder, account.user, account.group)
        done = run_as(account, [self._primary.bin_folder / command[0], *command[1:], "-d", self._primary.url()])
        assert done.returncode == 0, done.stderr


@contextmanager
def primary_and_replica() -> Iterator[tuple[Postgres, Replica]]:
    """Run both, and delete them at the end."""
    with Postgres(settings=_PRIMARY, port=0) as primary, replica_of(primary) as replica:
        yield primary, replica


@contextmanager
def replica_of(primary: Postgres) -> Iterator[Replica]:
    """Run a replica of a server, and delete it at the end."""
    folder = make_home(None, server_account())
    try:
        replica = Replica(primary, folder)
        try:
            yield replica
        finally:
            replica.server.stop(mode="immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
