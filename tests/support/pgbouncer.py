"""A real PgBouncer in transaction mode."""

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import pytest

_MISSING = (
    "PgBouncer is needed for this test: apt-get install pgbouncer (Debian, Ubuntu), brew install pgbouncer (macOS)"
)
_START_SECONDS = 10
# Ends with its parent however that ends: the parent's death closes the pipe that the guard reads from.
_GUARD = """
import subprocess, sys, threading, os
child = subprocess.Popen(sys.argv[1:])
def watch():
    sys.stdin.buffer.read()
    child.terminate()
threading.Thread(target=watch, daemon=True).start()
os._exit(child.wait())
"""


class PgBouncer:
    """A pooler of `pool_size` connections to the server at `host` (a socket's folder, or a name) and `port`."""

    def __init__(self, host: str, port: int, *, pool_size: int = 2) -> None:
        self._server = f"host={host} port={port}"
        self._pool_size = pool_size
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._folder.cleanup()

    def url(self, database: str) -> str:
        """Return the URL of a database through the pooler."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def start(self) -> None:
        """Start it, as `nobody` if we are root, which it refuses to be."""
        program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if program is None:
            pytest.fail(_MISSING)
        root = os.geteuid() == 0
        folder = Path(self._folder.name)
        (folder / "pgbouncer.ini").write_text(self._configuration())
        (folder / "users.txt").write_text('"postgres" ""\n')
        if root:
            nobody = pwd.getpwnam("nobody")
            for path in (folder, *folder.iterdir()):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _GUARD,
                program,
                "-q",
                str(folder / "pgbouncer.ini"),
                *(["-u", "nobody"] if root else []),
            ],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._await_port()

    def stop(self) -> None:
        """End it at once, as in a crash: its clients' connections break."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            self._process.wait()

    def _configuration(self) -> str:
        user = "nobody" if os.geteuid() == 0 else getpass.getuser()
        return f"""
[databases]
* = {self._server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = trust
auth_file = {self._folder.name}/users.txt
admin_users = postgres, {user}
pool_mode = transaction
default_pool_size = {self._pool_size}
max_client_conn = 500
query_wait_timeout = 5
server_login_retry = 1
"""

    def _await_port(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        pytest.fail("PgBouncer did not start")
