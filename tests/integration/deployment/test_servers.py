"""The servers of the compose file run here: PostgreSQL with the certificates, the pooler by its own script."""

import os
import pwd
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.migrations import upgrade
from app.repositories import TaskRepo
from tests.support import needs
from tests.support.ending import end_with_parent
from tests.support.postgres import Postgres
from tests.support.tls import Certificate, certificate_folder, tls_server

ROOT = Path(__file__).resolve().parents[3]
POOLER = ROOT / "deploy" / "pgbouncer"
PASSWORD = 'it "has" quotes'


@pytest.fixture
def made() -> Iterator[Path]:
    """Make the certificates as the compose file does, for the user that the tests' servers run as."""
    with certificate_folder() as folder:
        _make_certificates(folder)
        yield folder


def _make_certificates(folder: Path) -> None:
    owner = _server_uid()
    script, servers = ROOT / "deploy" / "certificate.py", [f"postgres:{owner}", f"pgbouncer:{owner}"]
    subprocess.run([sys.executable, "-W", "error", script, folder, *servers], check=True)


def _server_uid() -> int:
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()


def test_certificates_are_made_once(made: Path) -> None:
    """Only its server can read a key; a second start changes nothing; the CA's key is not kept."""
    before = {file.name: file.read_bytes() for file in made.iterdir()}
    assert sorted(before) == ["ca.crt", "pgbouncer.crt", "pgbouncer.key", "postgres.crt", "postgres.key"]
    assert {file.stat().st_mode & 0o777 for file in made.glob("*.key")} == {0o600}
    _make_certificates(made)
    assert {file.name: file.read_bytes() for file in made.iterdir()} == before


@pytest.fixture
def server(made: Path) -> Iterator[Postgres]:
    """Run PostgreSQL with them."""
    with tls_server(Certificate(made / "postgres.crt", made / "postgres.key")) as server:
        shutil.copy(ROOT / "deploy" / "pg_hba.conf", server.data_folder / "pgdata" / "pg_hba.conf")
        server.restart()
        yield server


@pytest.fixture
async def address(server: Postgres) -> str:
    """Make a role that logs in by password, and return its URL without the query string."""
    async with Database(DatabaseSettings(url=server.url())) as db:
        quoted = PASSWORD.replace("'", "''")
        await db.execute(text(f"create role app superuser login password '{quoted}'"))
    return f"postgresql://app:{quote(PASSWORD)}@localhost:{server.port}/postgres"


async def test_clients_verify_the_server_by_them(address: str, made: Path) -> None:
    """Verification is strict, as in Python since 3.13."""
    settings = DatabaseSettings(url=f"{address}?sslmode=verify-full&sslrootcert={made}/ca.crt")
    context = settings.target().tls.context()
    assert context
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    async with Database(settings) as db:
        await upgrade(settings)
        assert await TaskRepo(db).count("ada") == 0


async def test_the_server_refuses_who_does_not_encrypt(address: str) -> None:
    """The right password does not help."""
    async with Database(DatabaseSettings(url=f"{address}?sslmode=disable")) as db:
        with pytest.raises(ConfigurationError, match="no encryption"):
            await TaskRepo(db).count("ada")


@pytest.fixture
def pooler_port(server: Postgres, made: Path) -> Iterator[int]:
    """Run the pooler by its own script and settings, with only paths and addresses changed."""
    needs.pgbouncer()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    places = {
        "host=postgres port=5432": f"host=localhost port={server.port}",
        "listen_addr = *": "listen_addr = 127.0.0.1",
        "6432": str(port),
        "/tls/": f"{made}/",
        "/tmp/users.txt": f"{made}/users.txt",
    }
    for name in ("start.sh", "pgbouncer.ini"):
        content = (POOLER / name).read_text()
        for ours, here in places.items():
            content = content.replace(ours, here)
        (made / name).write_text(content)
    os.chown(made, _server_uid(), -1)
    process = subprocess.Popen(
        ["sh", made / "start.sh", made / "pgbouncer.ini"],
        env={"PATH": f"{os.environ['PATH']}:/usr/sbin", "POSTGRES_USER": "app", "POSTGRES_PASSWORD": PASSWORD},
        user=_server_uid(),
        stderr=subprocess.DEVNULL,
        preexec_fn=end_with_parent,  # noqa: PLW1509 - one call, loaded before
    )
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


async def test_the_pooler_works_as_it_is_configured(
    server: Postgres, address: str, made: Path, pooler_port: int
) -> None:
    """Both sides are verified and use a password; a call through it returns."""
    await upgrade(DatabaseSettings(url=server.url()))
    url = address.replace(f":{server.port}/", f":{pooler_port}/")
    settings = DatabaseSettings(url=f"{url}?sslmode=verify-full&sslrootcert={made}/ca.crt", pooler="transaction")
    async with Database(settings) as db:
        assert await TaskRepo(db).count("ada") == 0
