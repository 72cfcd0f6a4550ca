"""No password reaches an error collector, neither in a text nor in a variable of any frame."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from io import StringIO
from typing import Any

import pytest
import sentry_sdk
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import DataAccessError
from app.db.migrations import upgrade
from tests.support.canary import SECRET
from tests.support.collector import chained, recorded_by, recorded_of
from tests.support.migrations import ROOT
from tests.support.tls import Secure, secure_servers
from tests.support.waiting import until

SELECT_1 = text("select 1")


@pytest.fixture(scope="module")
async def secure() -> AsyncIterator[Secure]:
    """Start servers that ask `careful` for a password."""
    with secure_servers() as servers:
        await servers.set_up_logins()
        yield servers


@pytest.fixture
def collected() -> Iterator[list[dict[str, Any]]]:
    """Collect the events that Sentry would send, with the variables of every frame."""
    events: list[dict[str, Any]] = []

    def keep(event: Any, _: object) -> None:
        events.append(event)

    client = sentry_sdk.Client(
        dsn="https://key@localhost/1",
        before_send=keep,
        default_integrations=False,  # they outlive the test: listeners, patches of libraries
        auto_enabling_integrations=False,
    )
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(client)
        yield events
    client.close(timeout=0)


def _settings(url: str, **more: Any) -> DatabaseSettings:
    return DatabaseSettings(url=url.replace("@", f":{SECRET}@", 1), retry_seconds=1, **more)


UNREACHABLE = {
    "wrong password": ("", "careful", "localhost"),
    "nothing listens": ("", "careful", "localhost:1"),
    "no such host": ("", "careful", "host.invalid"),
    "untrusted certificate": ("sslmode=verify-full", "careful", "localhost"),
    "no such database": ("dbname=", "postgres", "localhost"),
    "several hosts": ("", "careful", "localhost:1,localhost:2"),
    "another kind of server": ("target_session_attrs=standby", "postgres", "localhost"),
}


def _unreachable(secure: Secure, name: str) -> DatabaseSettings:
    query, user, place = UNREACHABLE[name]
    host, _, _ = place.partition(":")
    url = secure.url(query.replace("dbname=", ""), user=user, host=host)
    if ":" in place:
        url = url.replace(f"{host}:{secure.server.port}", place)
    if query == "dbname=":
        url = url.replace("/postgres?", "/missing?")
    return _settings(url)


@pytest.mark.parametrize("name", UNREACHABLE)
async def test_a_failed_connect_shows_no_password(
    secure: Secure, caplog: pytest.LogCaptureFixture, collected: list[dict[str, Any]], name: str
) -> None:
    """A call, a transaction, SQLAlchemy's own engine and a migration do not show it, nor do the logs of retries."""
    caplog.set_level(logging.DEBUG)
    settings = _unreachable(secure, name)

    async def transaction(db: Database) -> None:
        async with db.transaction() as session:
            await session.execute(SELECT_1)

    async def engine(db: Database) -> None:
        async with db.engine.connect():
            pass

    for call in (lambda db: db.execute(SELECT_1), transaction, engine, lambda _: upgrade(settings)):
        async with Database(settings) as db:
            with pytest.raises(DataAccessError) as caught:
                await call(db)
        sentry_sdk.capture_exception(caught.value)
        assert SECRET not in recorded_of(caught.value)
    assert SECRET not in recorded_by(caplog.records)
    assert len(collected) == 4
    assert SECRET not in json.dumps(collected, default=repr)
    assert "'settings'" in repr(collected)  # the frames are recorded with their variables


async def test_the_drivers_error_stays_chained_with_its_code(secure: Secure) -> None:
    """Only its frames are removed: class, text and SQLSTATE still tell what the server said."""
    async with Database(_unreachable(secure, "wrong password")) as db:
        with pytest.raises(DataAccessError) as caught:
            await db.execute(SELECT_1)
    assert caught.value.sqlstate == "28P01"
    assert [getattr(each, "sqlstate", None) for each in chained(caught.value)].count("28P01") == 2
    assert 'password authentication failed for user "careful"' in str(caught.value.__cause__)


async def test_a_cancelled_connect_shows_no_password(silent_server: str) -> None:
    """The connect is cancelled by the caller, or by the caller's deadline."""
    settings = _settings(f"postgresql://ada@{silent_server}/app")
    async with Database(settings) as db:
        with pytest.raises(TimeoutError) as late:
            await asyncio.wait_for(db.execute(SELECT_1), 0.2)
        task = asyncio.ensure_future(db.execute(SELECT_1))
        await until(lambda: db.pool_status().connecting == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        with pytest.raises(DataAccessError) as deadline:
            await db.execute(SELECT_1)
    for caught in (late, cancelled, deadline):
        assert SECRET not in recorded_of(caught.value)


@pytest.fixture
async def silent_server() -> AsyncIterator[str]:
    """Listen, accept, and send nothing."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"


@pytest.mark.parametrize("named", ["url", "set", "both", "wrong", "an engine of another kind", "no such host"])
async def test_a_database_named_to_alembic_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, named: str
) -> None:
    """The URL comes from `attributes`, `sqlalchemy.url` or both, and is wrong or leads to a silent server."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("DATABASE_RETRY_SECONDS", "0.3")
    config = Config(ROOT / "alembic.ini", stdout=StringIO())
    place = "host.invalid" if named == "no such host" else "127.0.0.1:1"
    scheme = "mysql" if named == "wrong" else "postgresql"
    _name(config, f"{scheme}://ada:{SECRET}@{place}/app", named)
    with pytest.raises((CommandError, DataAccessError)) as caught:
        await asyncio.to_thread(command.upgrade, config, "head")
    assert SECRET not in recorded_of(caught.value) + recorded_by(caplog.records)


def _name(config: Config, url: str, named: str) -> None:
    if named != "set":
        config.attributes["url"] = url
    if named == "an engine of another kind":
        config.attributes["engine"] = "an engine"
    if named in {"set", "both"}:
        config.set_main_option("sqlalchemy.url", url.replace("/app", "/other"))
