"""Connecting: transient errors are told apart from permanent ones, each is explained, and none shows the password."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.driver.connect import connect
from app.db.errors import ConfigurationError, DataAccessError, UnavailableError
from tests.support.canary import SECRET, shown_by
from tests.support.proxy import FaultProxy
from tests.support.tls import Secure, secure_servers
from tests.support.waiting import until
from tests.support.wire import WireCounter


@pytest.fixture(scope="module")
async def secure() -> AsyncIterator[Secure]:
    """Start a server with a separate login rule for each role."""
    with secure_servers() as servers:
        await servers.set_up_logins()
        yield servers


@pytest.fixture
async def proxy(secure: Secure) -> AsyncIterator[FaultProxy]:
    """Run a proxy in front of it that counts the attempts."""
    async with FaultProxy(secure.server.tcp_url()).running() as running:
        yield running


async def _connect_to(url: str) -> None:
    settings = DatabaseSettings(url=url)
    connection = await connect(settings, settings.target())
    await connection.close()


async def _failure(url: str) -> DataAccessError:
    with pytest.raises(DataAccessError) as caught:
        await _connect_to(url)
    return caught.value


def _url(proxy: FaultProxy, user: str = f"careful:{SECRET}", database: str = "postgres", query: str = "") -> str:
    return f"postgresql://{user}@127.0.0.1:{proxy.port}/{database}?sslmode=disable&{query}"


@pytest.mark.parametrize(
    ("user", "database", "query", "words"),
    [
        (f"careful:{SECRET}", "postgres", "", 'password authentication failed for user "careful"'),
        ("careful", "postgres", "", "The URL has no password"),
        (f"nobody_known:{SECRET}", "postgres", "", 'role "nobody_known" does not exist'),
        (f"nologin:{SECRET}", "postgres", "", 'role "nologin" is not permitted to log in'),
        (f"only_tls:{SECRET}", "postgres", "", "no encryption"),
        (f"postgres:{SECRET}", "nowhere", "", 'database "nowhere" does not exist'),
        (f"postgres:{SECRET}", "template0", "", "not currently accepting connections"),
        (f"postgres:{SECRET}", "postgres", "statement_timeout=soon", "statement_timeout"),
        (f"postgres:{SECRET}", "postgres", "options=-c%20no_such_thing%3D1", "no_such_thing"),
        (f"postgres:{SECRET}", "postgres", "options=endpoint%3Dep-1", "endpoint=ep-1"),
    ],
)
async def test_a_refusal_that_does_not_pass_is_reported_after_one_attempt(
    proxy: FaultProxy, caplog: pytest.LogCaptureFixture, user: str, database: str, query: str, words: str
) -> None:
    """The error names user and database; no text, cause or log contains the password."""
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigurationError) as caught:
        async with Database(DatabaseSettings(url=_url(proxy, user, database, query))) as db:
            await db.execute(text("select 1"))
    assert words in str(caught.value)
    assert f"{user.partition(':')[0]}@127.0.0.1:{proxy.port}/{database}" in str(caught.value)
    assert proxy.connects == 1
    assert SECRET not in shown_by(caught.value) + caplog.text


@pytest.mark.parametrize(
    ("sqlstate", "words", "kind"),
    [
        ("53300", "sorry, too many clients already", UnavailableError),
        ("53300", 'too many connections for role "careful"', UnavailableError),
        ("57P03", "the database system is starting up", UnavailableError),
        ("57014", "canceling authentication due to timeout", UnavailableError),
        ("55006", 'database "postgres" is being accessed by other users', UnavailableError),
        ("08P01", "server login has been failing, try again later", UnavailableError),
        ("08P01", "unsupported startup parameter in options: lock_timeout", ConfigurationError),
        ("08P01", "no such user: careful", ConfigurationError),
    ],
)
async def test_a_refusal_that_passes_is_told_from_one_that_does_not(
    proxy: FaultProxy, sqlstate: str, words: str, kind: type[DataAccessError]
) -> None:
    """The SQLSTATE decides; for poolers, which use one code for everything, the text does."""
    proxy.fail_startups(sqlstate, words)
    failure = await _failure(_url(proxy))
    assert (type(failure), failure.retryable, failure.sqlstate) == (kind, kind is UnavailableError, sqlstate)
    assert str(failure) == f"careful@127.0.0.1:{proxy.port}/postgres: {words}"
    assert SECRET not in shown_by(failure)


async def test_an_unreachable_server_is_named_with_the_reason(proxy: FaultProxy) -> None:
    """A refused, unresolved or silent host is retried, and the error has the builtin error as its cause."""
    proxy.black_hole = True
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for place, query, cause in (
        (f"127.0.0.1:{port}", "", ConnectionRefusedError),
        ("nowhere.invalid:5432", "", socket.gaierror),
        (f"127.0.0.1:{proxy.port}", "connect_timeout=1", TimeoutError),
    ):
        failure = await _failure(f"postgresql://ada:{SECRET}@{place}/app?{query}")
        assert isinstance(failure, UnavailableError)
        assert f"ada@{place}/app: the database cannot be reached" in str(failure)
        assert isinstance(failure.__cause__, cause)
        assert SECRET not in shown_by(failure)


async def test_the_urls_connect_timeout_wins_over_the_settings(proxy: FaultProxy) -> None:
    """One second ends before the default does, though that one began first."""
    proxy.black_hole = True
    by_default = asyncio.ensure_future(_connect_to(_url(proxy)))
    await until(lambda: proxy.connects == 1)
    await _failure(_url(proxy, query="connect_timeout=1"))
    assert not by_default.done()
    by_default.cancel()
    await asyncio.wait([by_default])


async def test_the_next_host_is_tried_when_one_is_silent(secure: Secure, proxy: FaultProxy) -> None:
    """Each host gets the whole timeout."""
    proxy.black_hole = True
    hosts = f"127.0.0.1:{proxy.port},localhost:{secure.server.port}"
    await _connect_to(f"postgresql://postgres@{hosts}/postgres?connect_timeout=1")


async def test_a_host_must_be_what_target_session_attrs_asks_for(secure: Secure, proxy: FaultProxy) -> None:
    """Neither host is a standby: `standby` is an error, and `prefer-standby` takes the first."""
    hosts = f"127.0.0.1:{proxy.port},localhost:{secure.server.port}"
    url = f"postgresql://postgres@{hosts}/postgres?sslmode=disable&target_session_attrs="
    failure = await _failure(url + "standby")
    assert isinstance(failure, UnavailableError)
    assert str(failure).count("does not match target_session_attrs") == 2
    for attrs in ("prefer-standby", "primary", "read-write"):
        await _connect_to(url + attrs)


async def test_a_host_that_refuses_the_login_is_named_alone(secure: Secure, proxy: FaultProxy) -> None:
    """A second host that works does not hide a permanent refusal."""
    url = f"postgresql://careful:{SECRET}@localhost:{secure.server.port},127.0.0.1:{proxy.port}/postgres"
    failure = await _failure(url)
    assert isinstance(failure, ConfigurationError)
    assert str(failure).startswith(f"careful@localhost:{secure.server.port}/postgres: password authentication")
    assert proxy.connects == 0


async def test_a_server_without_direct_negotiation_is_named_as_the_reason() -> None:
    """A server older than 17 closes the connection without a reply."""
    old_server = await asyncio.start_server(lambda _, writer: writer.transport.abort(), "127.0.0.1", 0)
    async with old_server:
        place = f"127.0.0.1:{old_server.sockets[0].getsockname()[1]}"
        failure = await _failure(f"postgresql://ada@{place}/app?sslnegotiation=direct")
    assert "sslnegotiation=direct needs PostgreSQL 17" in str(failure)


async def test_nothing_is_taken_from_libpqs_environment(
    secure: Secure, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """PG* variables and files in the home folder do not complete the URL: only DATABASE_* counts."""
    for name in (
        *("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE", "PGSERVICEFILE"),
        *(
            "PGSSLMODE",
            "PGSSLNEGOTIATION",
            "PGSSLROOTCERT",
            "PGSSLCERT",
            "PGSSLKEY",
            "PGSSLCRL",
            "PGSSLMINPROTOCOLVERSION",
        ),
        *("PGTARGETSESSIONATTRS", "PGKRBSRVNAME", "PGGSSLIB", "PGOPTIONS", "PGAPPNAME", "PGCHANNELBINDING"),
    ):
        monkeypatch.setenv(name, "nonsense")
    monkeypatch.setenv("PGPASSWORD", "right")
    passwords = tmp_path / "pgpass"
    passwords.write_text("*:*:*:*:right")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").write_text("nonsense")
    await _connect_to(f"postgresql://careful:right@localhost:{secure.server.port}/postgres")
    await _connect_to(_url(proxy, "careful:right"))
    await _connect_to(secure.server.url())
    assert "The URL has no password" in str(await _failure(_url(proxy, "careful")))
    monkeypatch.delenv("PGPASSWORD")  # otherwise the file is not read
    assert "The URL has no password" in str(await _failure(_url(proxy, "careful")))


async def test_a_pooled_target_leaves_no_statement_prepared(proxy: FaultProxy) -> None:
    """Through a transaction pooler the next statement may run on another server connection."""
    prepared = text("select count(*) from pg_prepared_statements")
    for pooler, left in (("none", True), ("transaction", False)):
        async with Database(DatabaseSettings(url=proxy.url(), pooler=pooler)) as db, db.engine.connect() as session:
            await session.execute(text("select 1"))
            assert bool((await session.execute(prepared)).scalar_one()) == left


@pytest.mark.parametrize(("negotiation", "round_trips"), [("postgres", 6), ("direct", 5)])
async def test_a_connection_with_tls_and_a_password_costs_six_round_trips(
    proxy: FaultProxy, negotiation: str, round_trips: int
) -> None:
    """The SSLRequest (unless direct), the TLS handshake (2: servers up to 17 want another curve), and the login (3)."""
    counter = WireCounter(proxy)
    settings = DatabaseSettings(
        url=f"postgresql://careful:right@127.0.0.1:{proxy.port}/postgres?sslnegotiation={negotiation}"
    )
    connection = await connect(settings, settings.target())
    counter.assert_round_trips(round_trips)
    await connection.close()
