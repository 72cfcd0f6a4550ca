"""Encrypted unless somebody says otherwise, verified when it can be, and each failure in its own words."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.embedded import EmbeddedPostgres
from app.db.errors import ConfigurationError
from tests.support.tls import Authority, certificate_folder, tls_server


@dataclass(frozen=True)
class Secure:
    """Two servers, one with a certificate that has expired, and the CA of both."""

    server: EmbeddedPostgres
    expired: EmbeddedPostgres
    ca: Path
    other_ca: Path

    def url(self, query: str = "", *, host: str = "localhost", expired: bool = False) -> str:
        """Return a URL of one of them."""
        port = (self.expired if expired else self.server).port
        return f"postgresql://postgres@{host}:{port}/postgres?{query}"


@pytest.fixture(scope="module")
def secure() -> Iterator[Secure]:
    """Start them."""
    with certificate_folder() as folder:
        authority, other = Authority(folder, "ours"), Authority(folder, "other")
        good = authority.issue("good", "localhost")
        old = authority.issue("old", "localhost", expired=True)
        with tls_server(good) as server, tls_server(old) as expired:
            yield Secure(server, expired, authority.ca, other.ca)


async def _tls_version(url: str) -> str | None:
    async with Database(DatabaseSettings(url=url)) as db:
        statement = text("select version from pg_stat_ssl where pid = pg_backend_pid()")
        version: str | None = (await db.execute(statement)).scalar_one()
        return version


async def _refusal(url: str) -> str:
    """Return the words with which connecting is refused, once and at once."""
    began = time.monotonic()
    with pytest.raises(ConfigurationError) as caught:
        await _tls_version(url)
    assert time.monotonic() - began < 1
    assert not caught.value.retryable
    return str(caught.value)


@pytest.mark.parametrize("query", ["", "sslmode=require", "sslmode=prefer", "sslmode=verify-ca&sslrootcert={ca}"])
async def test_the_connection_is_encrypted(secure: Secure, query: str) -> None:
    """Also when the URL says nothing of it."""
    assert await _tls_version(secure.url(query.format(ca=secure.ca))) == "TLSv1.3"


@pytest.mark.parametrize(
    "query",
    ["sslmode=verify-full&sslrootcert={ca}", "sslmode=require&channel_binding=require&sslrootcert={ca}"],
)
async def test_a_certificate_of_a_known_ca_is_accepted(secure: Secure, query: str) -> None:
    """Verified in full: its CA and its host."""
    assert await _tls_version(secure.url(query.format(ca=secure.ca))) == "TLSv1.3"


async def test_disable_and_allow_begin_without_tls(secure: Secure) -> None:
    """As libpq means them."""
    assert await _tls_version(secure.url("sslmode=disable")) is None
    assert await _tls_version(secure.url("sslmode=allow")) is None


async def test_direct_negotiation_needs_no_question(secure: Secure) -> None:
    """`sslnegotiation=direct` works with PostgreSQL 17."""
    assert await _tls_version(secure.url("sslnegotiation=direct")) == "TLSv1.3"


async def test_the_wrong_host_is_named(secure: Secure) -> None:
    """A certificate for localhost, reached by its address."""
    words = await _refusal(secure.url(f"sslmode=verify-full&sslrootcert={secure.ca}", host="127.0.0.1"))
    assert "127.0.0.1" in words
    assert "connect by the name in it" in words


@pytest.mark.parametrize(
    "query", ["sslmode=verify-full", "sslmode=verify-ca&sslrootcert={other}", "sslrootcert={other}"]
)
async def test_an_unknown_ca_is_refused(secure: Secure, query: str) -> None:
    """By the system's store and by a given CA; a given CA counts with `require` too, as in libpq."""
    words = await _refusal(secure.url(query.format(other=secure.other_ca)))
    assert "its CA is not trusted here: write sslrootcert=" in words


async def test_an_expired_certificate_is_refused(secure: Secure) -> None:
    """And the words say that it has expired."""
    words = await _refusal(secure.url(f"sslmode=verify-full&sslrootcert={secure.ca}", expired=True))
    assert "it has expired" in words


async def test_a_server_without_tls_is_refused() -> None:
    """`require` is not weakened in silence: the words say what would have to be written."""
    with EmbeddedPostgres(port=0) as plain:
        words = await _refusal(plain.tcp_url())
        assert "does not offer TLS" in words
        assert "sslmode=disable" in words
        assert await _tls_version(plain.tcp_url() + "?sslmode=prefer") is None


@pytest.mark.parametrize("content", [None, "this is no certificate"])
async def test_a_ca_file_that_cannot_be_used_is_named(secure: Secure, tmp_path: Path, content: str | None) -> None:
    """Missing, or not PEM: said before anything is sent."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    words = await _refusal(secure.url(f"sslmode=verify-full&sslrootcert={path}"))
    assert str(path) in words


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nobody_known:pw@localhost:{port}/postgres", 'role "nobody_known" does not exist'),
        ("postgres:pw@localhost:{port}/nowhere", 'database "nowhere" does not exist'),
    ],
)
async def test_who_and_what_is_unknown_is_named(secure: Secure, place: str, words: str) -> None:
    """Wrong user or database: one try, and the words say which."""
    assert words in await _refusal("postgresql://" + place.format(port=secure.server.port))


async def test_a_wrong_password_is_not_shown(secure: Secure) -> None:
    """One try, the user named, the password in no text."""
    async with Database(DatabaseSettings(url=secure.url())) as db:
        await db.execute(text("create role careful login password 'right'"))
        hba = (await db.execute(text("show hba_file"))).scalar_one()
        await db.execute(text("create table hba (line text)"))
        await db.execute(text(f"copy hba from '{hba}' with (delimiter e'\\x01')"))
        await db.execute(text(f"copy (values ('host all careful all scram-sha-256')) to '{hba}'"))
        await db.execute(text(f"copy hba to program 'cat >> {hba}' with (delimiter e'\\x01')"))
        await db.execute(text("select pg_reload_conf()"))
    words = await _refusal(secure.url().replace("postgres@", "careful:c4n4ry@"))
    assert "careful" in words
    assert "c4n4ry" not in words
    assert await _tls_version(secure.url().replace("postgres@", "careful:right@")) == "TLSv1.3"
