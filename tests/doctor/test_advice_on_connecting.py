"""The doctor's advice on poolers and TLS is followed word for word; afterwards the finding is gone."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db import DatabaseSettings
from app.doctor import Finding, Level, examine
from tests.doctor.conftest import Clinic
from tests.support.canary import SECRET
from tests.support.pgbouncer import PgBouncer


@pytest.fixture(scope="module")
def pooler(clinic: Clinic) -> Iterator[PgBouncer]:
    """Run a pooler in transaction mode in front of the clinic's server."""
    host, port = str(clinic.server.socket_folder), clinic.server.port
    with PgBouncer(host, port, pool_size=10, server_user="app", users={"app": SECRET}) as pooler:
        yield pooler


async def _found(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, group: str) -> list[Finding]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return [each for each in (await examine(DatabaseSettings())).findings if each.check.startswith(group)]


def _settings_in(advice: str, values: dict[str, str]) -> dict[str, str]:
    """Return the variables that an advice sets: with the value that it gives, or the one that it describes."""
    named = re.findall(r"(DATABASE_[A-Z_]+)(?:=(\w+))?", advice)
    assert named, advice
    return {name: value or values[name] for name, value in named}


@pytest.mark.parametrize("pooled", ["auto", "none", "transaction"])
async def test_a_pooler_is_well_after_the_variables_were_set(
    clinic: Clinic, pooler: PgBouncer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pooled: str
) -> None:
    """Undeclared, declared as none, and declared without a way to the server."""
    monkeypatch.chdir(tmp_path)
    environment = {"DATABASE_URL": pooler.url("healthy"), "DATABASE_POOLER": pooled}
    described = {"DATABASE_DIRECT_URL": clinic.url(user="app_owner")}
    wrong = [
        each
        for group in ("pooling.", "url.")
        for each in await _found(environment, monkeypatch, group)
        if each.level > Level.NOTE
    ]
    assert wrong
    for each in wrong:
        environment |= _settings_in(each.advice, described)
    for group in ("pooling.", "url.direct"):
        assert {each.level for each in await _found(environment, monkeypatch, group)} == {Level.OK}


async def test_a_server_declared_as_a_pooler_is_well_afterwards(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The note gives the variable and its value."""
    monkeypatch.chdir(tmp_path)
    environment = {"DATABASE_URL": clinic.url(), "DATABASE_POOLER": "transaction"}
    environment["DATABASE_DIRECT_URL"] = clinic.url()
    (note,) = [each for each in await _found(environment, monkeypatch, "pooling.") if each.level is Level.NOTE]
    environment |= _settings_in(note.advice, {})
    assert {each.level for each in await _found(environment, monkeypatch, "pooling.")} == {Level.OK}


@pytest.mark.parametrize("query", ["sslmode=require", "sslmode=verify-ca&sslrootcert={ca}", "sslmode=prefer"])
async def test_a_certificate_is_verified_after_the_parameters_were_written(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, query: str
) -> None:
    """The CA is one's own, so both parameters that the advice names are written, or what is there is kept."""
    monkeypatch.chdir(tmp_path)
    environment = {"DATABASE_URL": clinic.url(query=query)}
    (found,) = await _found(environment, monkeypatch, "tls.certificate")
    assert found.level > Level.OK
    mode = re.search(r"sslmode=[\w-]+", found.advice)
    assert mode
    asks_for_ca = "sslrootcert=" in found.advice or "sslrootcert=" in query
    environment["DATABASE_URL"] = clinic.url(query=mode[0] + ("&sslrootcert={ca}" if asks_for_ca else ""))
    (after,) = await _found(environment, monkeypatch, "tls.certificate")
    assert after.level is Level.OK
