"""A real PgBouncer in transaction mode."""

import asyncio
import csv
import os
import pwd
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self
from urllib.parse import quote, urlencode

import pytest

from tests.support import needs
from tests.support.programs import postgres_program
from tests.support.tls import Certificate

_START_SECONDS: Final = 10
_LOOPBACK: Final = "127.0.0.1"
_WITHOUT_PASSWORD: Final = {"postgres": ""}
# Ends with its parent in every case: the parent's death closes the pipe that the guard reads from.
_GUARD: Final = """
import subprocess, sys, threading, os
child = subprocess.Popen(sys.argv[1:])
def watch():
    sys.stdin.buffer.read()
    child.terminate()
threading.Thread(target=watch, daemon=True).start()
os._exit(child.wait())
"""


class PgBouncer:
    """A pooler of `pool_size` connections to the server at `host` (a socket's folder, or a name) and `port`.

    It logs in to the server as `server_user`. `users` are names and passwords (checked unless `auth_type` is trust);
    the first of them may use the console.
    With a certificate, clients must use TLS. `settings` are further lines of its configuration.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        pool_size: int = 2,
        auth_type: str = "trust",
        server_user: str = "postgres",
        users: Mapping[str, str] = _WITHOUT_PASSWORD,
        certificate: Certificate | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._server = f"host={host} port={port} user={server_user}"
        self._users = users
        self._encrypted = certificate is not None
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server((_LOOPBACK, 0)) as free:
            self.port = int(free.getsockname()[1])
        self._settings = {
            "listen_addr": _LOOPBACK,
            "listen_port": str(self.port),
            "auth_type": auth_type,
            "admin_users": next(iter(users)),
            "pool_mode": "transaction",
            "default_pool_size": str(pool_size),
            "max_client_conn": "500",
            "query_wait_timeout": "5",
            "server_login_retry": "1",
            **(_tls(certificate) if certificate else {}),
            **(settings or {}),
        }

    def __enter__(self) -> Self:
        self._program = needs.pgbouncer()
        self._folder = TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._folder.cleanup()

    def url(self, database: str, **parameters: str) -> str:
        """Return the URL of a database through the pooler, for the first of the users."""
        query = urlencode({"sslmode": "require" if self._encrypted else "disable", **parameters})
        return f"postgresql://{self._credentials()}@{_LOOPBACK}:{self.port}/{database}?{query}"

    def start(self) -> None:
        """Start PgBouncer; if we are root, which it refuses, start it as `nobody`."""
        self._write_configuration()
        as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [self._program, "-q", str(self._path("pgbouncer.ini")), *as_nobody]
        with self._path("log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _GUARD, *command], stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        self._await_port(self._process)

    def stop(self) -> None:
        """Kill PgBouncer, as in a crash: its clients' connections break."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            self._process.wait()

    def restart(self) -> None:
        """Kill PgBouncer and start it again on the same port."""
        self.stop()
        self.start()

    async def admin(self, command: str) -> list[dict[str, str]]:
        """Return the rows of a console command such as ``SHOW POOLS``, ``PAUSE`` or ``RECONNECT``."""
        # Through its socket, because the wheel's psql has no TLS.
        url = f"postgresql://{self._credentials()}@/pgbouncer?host={self._folder.name}&port={self.port}"
        said = await asyncio.to_thread(postgres_program, "psql", url, "--csv", f"--command={command}")
        return list(csv.DictReader(said.splitlines()))

    def _credentials(self) -> str:
        user, password = next(iter(self._users.items()))
        return f"{user}:{quote(password)}" if password else user

    def _path(self, name: str) -> Path:
        return Path(self._folder.name, name)

    def _write_configuration(self) -> None:
        files = {"auth_file": str(self._path("users.txt")), "unix_socket_dir": self._folder.name}
        settings = {**self._settings, **files}
        lines = ["[databases]", f"* = {self._server}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        self._path("pgbouncer.ini").write_text("\n".join(lines) + "\n")
        users = [f'"{name}" "{password}"\n' for name, password in self._users.items()]
        self._path("users.txt").write_text("".join(users))
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            for path in (Path(self._folder.name), self._path("pgbouncer.ini"), self._path("users.txt")):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)

    def _await_port(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex((_LOOPBACK, self.port)) == 0:
                    return
            time.sleep(0.02)
        pytest.fail(f"PgBouncer did not start: {self._path('log').read_text()}")


def _tls(certificate: Certificate) -> dict[str, str]:
    return {
        "client_tls_sslmode": "require",
        "client_tls_cert_file": str(certificate.cert),
        "client_tls_key_file": str(certificate.key),
    }
