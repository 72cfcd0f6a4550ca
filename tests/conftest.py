"""Run every test on real PostgreSQL: TEST_DATABASE_URL, Docker when an option selects it, or the embedded server."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.db import Database, DatabaseSettings
from app.db.migrations import upgrade
from app.embedded import EmbeddedPostgres
from tests.support import needs
from tests.support.citus import has_citus
from tests.support.databases import MakeDatabase
from tests.support.faults_page import write_page
from tests.support.process_state import process_state

DOCKER_SOCKET = Path("/var/run/docker.sock")
DOCKER_IMAGE = "postgres:18.1-alpine"
DOCKER_CITUS_IMAGE = "citusdata/citus:13"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that `make faults` uses."""
    parser.addoption("--faults-page", type=Path, help="write the page of faults to this file")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write the page of faults when the option is given."""
    path = session.config.getoption("--faults-page")
    if path:
        write_page(session.items, path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one more than there are cores: tests wait a third of their time, for pauses and processes of their own."""
    return (os.cpu_count() or 1) + 1


def pytest_report_header() -> list[str]:
    """Report before the run what this machine lacks."""
    return needs.before_the_run()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report at the end how many tests were skipped because of it."""
    for line in needs.after_the_run(terminalreporter.getreports("skipped")):
        terminalreporter.write_line(line, yellow=True)


@contextmanager
def _docker_server(image: str = DOCKER_IMAGE) -> Iterator[str]:
    if not DOCKER_SOCKET.exists():  # checked first: without Docker testcontainers leaves a ResourceWarning
        pytest.exit("TEST_DATABASE=docker, but there is no Docker socket", returncode=2)
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 - only with Docker

    with PostgresContainer(image, driver=None) as container:
        yield container.get_connection_url() + "?sslmode=disable"


@contextmanager
def _embedded_server() -> Iterator[str]:
    settings = {
        "max_connections": "300",
        "shared_buffers": "256MB",
        "deadlock_timeout": "100ms",
        "cluster_name": "tests",
    }
    with EmbeddedPostgres(settings=settings) as server:
        yield server.url("postgres")


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Return a superuser's URL on a PostgreSQL server that the tests may change freely."""
    url = os.environ.get("TEST_DATABASE_URL")
    if url:
        yield url
        return
    with _docker_server() if os.environ.get("TEST_DATABASE") == "docker" else _embedded_server() as url:
        yield url


@pytest.fixture(scope="session")
def citus_server_url(server_url: str) -> Iterator[str]:
    """Return a superuser's URL on the entry node of a cluster of Citus; skip the test without one."""
    if os.environ.get("TEST_DATABASE") == "docker" and "TEST_DATABASE_URL" not in os.environ:
        with _docker_server(DOCKER_CITUS_IMAGE) as url:
            yield url
    elif asyncio.run(has_citus(server_url)):
        yield server_url
    else:
        needs.no_citus()


@pytest.fixture(scope="session")
async def make_database(server_url: str) -> AsyncIterator[MakeDatabase]:
    """Create databases; `template` names one to copy. Return the URL. They are dropped if the server stays."""
    names: list[str] = []
    async with Database(DatabaseSettings(url=server_url)) as server:

        async def make(*, template: str = "template0") -> str:
            name = f"test_{uuid4().hex[:12]}"
            await server.execute(text(f"create database {name} template {template}"))
            names.append(name)
            return make_url(server_url).set(database=name).render_as_string(hide_password=False)

        yield make
        for name in names if "TEST_DATABASE_URL" in os.environ else ():  # each takes a checkpoint
            await server.execute(text(f"drop database {name} with (force)"))


@pytest.fixture(scope="session")
async def migrated_url(make_database: MakeDatabase) -> str:
    """Return the URL of a shared database at head; each test uses its own user, and users do not see each other."""
    url = await make_database()
    async with Database(DatabaseSettings(url=url)) as db:
        await upgrade(db.engine)
    return url


@pytest.fixture(scope="session")
async def empty_copy(make_database: MakeDatabase) -> Callable[[], Awaitable[str]]:
    """Create an empty database at head, for tests that count or change what all users share."""
    url = await make_database()
    async with Database(DatabaseSettings(url=url)) as db:
        await upgrade(db.engine)
    name = make_url(url).database
    return lambda: make_database(template=name)


@pytest.fixture
async def db(migrated_url: str) -> AsyncIterator[Database]:
    """Open a database at head, shared with the other tests."""
    async with Database(DatabaseSettings(url=migrated_url)) as database:
        yield database


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """Fail a test that leaves the process changed, because tests run in any order."""
    before = process_state()
    yield
    after = process_state()
    assert {name: after[name] for name in after if after[name] != before[name]} == {}


@pytest.fixture
def user_id() -> str:
    """Return a user id that only this test uses."""
    return f"user-{uuid4().hex}"
