"""A provider's URL that verifies only the CA: any server with a certificate from a public CA would be accepted."""

import socket
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from app.db import DatabaseSettings
from app.db.target.development import on_this_machine
from app.doctor import Level, examine
from tests.doctor.conftest import Clinic
from tests.support.providers import PROVIDERS, target_of


def _is_address(host: str) -> bool:
    """Return whether there is no name to resolve."""
    return host.replace(".", "").isdigit()


HOSTS = sorted(
    {
        host
        for provider in PROVIDERS
        for target in [target_of(provider.instead or provider.shown)]
        for host in target.hosts
        if not (target.is_socket or on_this_machine((host,)) or target.tls.mode == "disable" or _is_address(host))
    }
)


@pytest.fixture
def only_our_ca_is_public(clinic: Clinic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have every host lead to the clinic's server, whose CA is the only one that this machine trusts."""
    resolve = socket.getaddrinfo

    def here(host: Any, *more: Any, **named: Any) -> Any:
        return resolve("localhost", *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    monkeypatch.setenv("SSL_CERT_FILE", str(clinic.ca))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)


async def _errors(clinic: Clinic, host: str, query: str) -> dict[str, str]:
    """Return what the doctor calls an error, with its advice, by its check."""
    url = make_url(clinic.url(query=query)).set(host=host)
    settings = DatabaseSettings(url=url.render_as_string(hide_password=False), pooler="none", retry_seconds=5)
    findings = (await examine(settings)).findings
    return {each.check: f"{each.found}. {each.advice}" for each in findings if each.level is Level.ERROR}


@pytest.mark.usefixtures("only_our_ca_is_public")
@pytest.mark.parametrize("host", HOSTS)
async def test_a_public_ca_without_the_hosts_name_is_an_error(clinic: Clinic, host: str) -> None:
    """It connects to a server with a certificate of another host, and the doctor says what to write instead."""
    said = (await _errors(clinic, host, "sslmode=verify-ca"))["tls.certificate"]
    assert "any server with a certificate from any public CA is accepted" in said
    assert "Write sslmode=verify-full" in said


@pytest.mark.usefixtures("only_our_ca_is_public")
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("query", ["sslmode=verify-full", "sslmode=verify-ca&sslrootcert=system"])
async def test_a_server_with_the_certificate_of_another_host_is_refused(clinic: Clinic, host: str, query: str) -> None:
    """What the advice says to write refuses that server; the system's CAs by name imply it, as in libpq."""
    assert "for another host" in (await _errors(clinic, host, query))["connection.open"]
