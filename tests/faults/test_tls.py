"""Connections are encrypted by default, verified where possible, and each failure has its own message."""

import logging
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.target.tls import TlsSettings
from app.db.target.url import parse_url
from app.doctor import examine
from tests.support.postgres import Postgres
from tests.support.retries import retries
from tests.support.tls import Authority, Secure, certificate_folder, secure_servers, tls_server


@pytest.fixture(scope="module")
async def secure() -> AsyncIterator[Secure]:
    """Start servers that speak TLS."""
    with secure_servers() as servers:
        await servers.set_up_logins()
        yield servers


async def _tls_version(url: str) -> str | None:
    async with Database(DatabaseSettings(url=url)) as db:
        statement = text("select version from pg_stat_ssl where pid = pg_backend_pid()")
        version: str | None = (await db.execute(statement)).scalar_one()
        return version


async def _refusal(url: str) -> str:
    """Return the message of a refused connect, which is not retried."""
    with pytest.raises(ConfigurationError) as caught, retries() as retried:
        await _tls_version(url)
    assert retried == []
    assert not caught.value.retryable
    return str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "sslmode=require",
        "sslmode=prefer",
        "sslrootcert={ca}",
        "sslmode=prefer&sslrootcert={ca}",
        "sslmode=verify-ca&sslrootcert={ca}",
        "sslmode=verify-full&sslrootcert={ca}",
        "sslmode=require&channel_binding=require&sslrootcert={ca}",
        "sslnegotiation=direct",
        "sslnegotiation=direct&sslmode=verify-full&sslrootcert={ca}",
    ],
)
async def test_the_connection_is_encrypted(secure: Secure, query: str) -> None:
    """The connection is encrypted even when the URL does not mention TLS."""
    assert await _tls_version(secure.url(query)) == "TLSv1.3"


async def test_a_certificate_that_is_not_checked_may_be_anybodys(secure: Secure) -> None:
    """`require` only encrypts, as in libpq; `verify-ca` does not check the host."""
    assert await _tls_version(secure.url("sslmode=require", host="127.0.0.1", expired=True)) == "TLSv1.3"
    assert await _tls_version(secure.url("sslmode=verify-ca&sslrootcert={ca}", host="127.0.0.1")) == "TLSv1.3"


async def test_disable_and_allow_begin_without_tls(secure: Secure) -> None:
    """As in libpq: `allow` continues with TLS if the server requires it."""
    assert await _tls_version(secure.url("sslmode=disable")) is None
    assert await _tls_version(secure.url("sslmode=allow")) is None
    assert await _tls_version(secure.url("sslmode=allow", user="only_tls")) == "TLSv1.3"


async def test_prefer_goes_on_without_tls(secure: Secure) -> None:
    """`prefer` continues without TLS if the server refuses it, or the client refuses the certificate."""
    assert await _tls_version(secure.url("sslmode=prefer", user="only_plain")) is None
    assert await _tls_version(secure.url("sslmode=prefer&sslrootcert={other}")) is None


async def test_a_client_can_show_a_certificate(secure: Secure) -> None:
    """`sslcert` and `sslkey` name it; without them the role is refused."""
    shown = f"sslcert={secure.certified.cert}&sslkey={secure.certified.key}"
    assert await _tls_version(secure.url(shown, user="certified")) == "TLSv1.3"
    assert "certificate" in await _refusal(secure.url(user="certified"))


async def test_what_is_weakened_is_logged_once(secure: Secure, caplog: pytest.LogCaptureFixture) -> None:
    """A weakened setting is logged once, not for each connection; without one nothing is logged."""
    with caplog.at_level(logging.WARNING, "app"):
        settings = DatabaseSettings(url=secure.url("sslmode=prefer"))
        async with Database(settings) as db, db.engine.connect(), db.engine.connect():
            pass
        assert [record.message.partition(":")[0] for record in caplog.records] == ["sslmode=prefer"]
        caplog.clear()
        await _tls_version(secure.url("sslmode=verify-full&sslrootcert={ca}"))
    assert not caplog.records


async def test_the_wrong_host_is_named(secure: Secure) -> None:
    """A server with a certificate for localhost is reached by its address."""
    words = await _refusal(secure.url("sslmode=verify-full&sslrootcert={ca}", host="127.0.0.1"))
    assert "127.0.0.1" in words
    assert "connect by the name in it" in words
    assert "verify-ca" not in words


@pytest.mark.parametrize(
    "query",
    ["sslmode=verify-full", "channel_binding=require", "sslmode=verify-ca&sslrootcert={other}", "sslrootcert={other}"],
)
async def test_an_unknown_ca_is_refused(secure: Secure, query: str) -> None:
    """The system's store and a given CA both refuse it; `require` checks a given CA too, as in libpq."""
    words = await _refusal(secure.url(query))
    assert "its CA is not trusted here: write sslrootcert=" in words


@pytest.mark.parametrize("query", ["sslmode=require", "sslmode=verify-ca&sslrootcert={ca}"])
async def test_the_doctor_names_an_expired_certificate(secure: Secure, query: str) -> None:
    """It does so even with `require`, where connecting does not check it."""
    report = await examine(DatabaseSettings(url=secure.url(query, expired=True)))
    found = [each for each in report.findings if each.check in ("tls.expiry", "connection.open")]
    assert [each.level.name for each in found] == ["ERROR"]
    assert "expired" in found[0].found
    assert "renew it on the server" in f"{found[0].found} {found[0].advice}".lower()


async def test_an_expired_certificate_is_refused(secure: Secure) -> None:
    """The message says that it has expired."""
    words = await _refusal(secure.url("sslmode=verify-full&sslrootcert={ca}", expired=True))
    assert "it has expired" in words


def test_nothing_older_than_tls_1_2_is_spoken() -> None:
    """Older versions are refused even when the certificate is not checked."""
    for mode in ("prefer", "require", "verify-full"):
        context = TlsSettings(mode).context()
        assert context is not None
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


async def test_a_server_with_which_there_is_no_common_tls_is_refused() -> None:
    """It is not reported as an unreachable server."""
    old_only = {"ssl_min_protocol_version": "TLSv1", "ssl_max_protocol_version": "TLSv1.1"}
    with certificate_folder() as folder:
        certificate = Authority(folder, "ca").issue("old", "localhost")
        with tls_server(certificate, **old_only, ssl_ciphers="DEFAULT@SECLEVEL=0") as old:
            assert "TLS with the server failed" in await _refusal(old.tcp_url())


async def test_a_server_without_tls_is_refused() -> None:
    """`require` is not silently weakened: the message says which setting allows it."""
    with Postgres(port=0) as plain:
        words = await _refusal(plain.tcp_url())
        assert "does not offer TLS" in words
        assert "sslmode=disable" in words
        assert await _tls_version(plain.tcp_url() + "?sslmode=prefer") is None
        assert await _tls_version(plain.tcp_url() + "?sslmode=allow") is None


@pytest.mark.parametrize("content", [None, "this is no certificate", "folder"])
@pytest.mark.parametrize("parameter", ["sslrootcert", "sslcert"])
async def test_a_file_that_cannot_be_used_is_named(
    secure: Secure, tmp_path: Path, parameter: str, content: str | None
) -> None:
    """A file that is missing, not PEM or a folder is reported before anything is sent."""
    path = tmp_path / "some.pem"
    if content == "folder":
        path.mkdir()
    elif content:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=f"{parameter}={path}.* cannot be used: .*PEM"):
        Database(DatabaseSettings(url=secure.url(f"{parameter}={path}")))


@pytest.fixture
def no_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder of an empty system store, as in a slim container."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    return tmp_path


def _known_authorities() -> int:
    context = TlsSettings("verify-full").context()
    assert context is not None
    return context.cert_store_stats()["x509_ca"]


def test_without_a_system_store_certifis_is_used(no_store: Path) -> None:
    """Neon's certificates are verified in a slim container too; an existing store gets no additions."""
    assert _known_authorities() > 50
    (no_store / "0123abcd.0").write_text("one that OpenSSL looks up when it needs it")
    assert _known_authorities() == 0


async def test_the_systems_store_is_trusted(secure: Secure, no_store: Path) -> None:
    """With the CA in the system's store, no `sslrootcert` is needed."""
    os.environ["SSL_CERT_FILE"] = str(secure.ca)
    assert await _tls_version(secure.url("sslmode=verify-full")) == "TLSv1.3"
    assert await _tls_version(secure.url("sslrootcert=system")) == "TLSv1.3"


def test_the_context_is_built_once_for_a_target(secure: Secure) -> None:
    """Reading a store of 140 certificates takes longer than connecting; a new target reads the store again."""
    url = secure.url("sslmode=verify-full&sslrootcert={ca}")
    target = parse_url(url)
    assert target.tls.context() is target.tls.context()
    assert target.tls.context() is not parse_url(url).tls.context()
