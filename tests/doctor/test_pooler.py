"""Behind a real PgBouncer, with settings that declare it or not."""

from collections.abc import Iterator

import pytest

from app.db import DatabaseSettings
from app.doctor import Finding, Level, examine
from tests.doctor.conftest import Clinic
from tests.support.canary import SECRET
from tests.support.pgbouncer import PgBouncer


@pytest.fixture(scope="module")
def pooler(clinic: Clinic) -> Iterator[PgBouncer]:
    """Run a pooler in transaction mode, with ten connections to the clinic's server."""
    host, port = str(clinic.server.socket_folder), clinic.server.port
    with PgBouncer(host, port, pool_size=10, server_user="app", users={"app": SECRET}) as pooler:
        yield pooler


async def _findings(settings: DatabaseSettings) -> dict[str, Finding]:
    return {finding.check: finding for finding in (await examine(settings)).findings}


async def test_a_pooler_that_nobody_knows_of_is_found(pooler: PgBouncer) -> None:
    """Lost session settings reveal it, regardless of the URL; the rest of the examination still works."""
    found = await _findings(DatabaseSettings(url=pooler.url("healthy")))
    sessions = found["pooling.sessions"]
    assert sessions.level is Level.ERROR
    assert "session settings are lost" in sessions.found
    assert "DATABASE_POOLER=transaction" in sessions.advice
    assert [each for each in found.values() if "could not be checked" in each.found] == []
    assert found["criteria.SC-006"].level is Level.OK


async def test_a_pooler_that_is_known_is_no_fault(pooler: PgBouncer, clinic: Clinic) -> None:
    """With a direct URL for migrations everything is OK, and a call is one round trip."""
    direct_url = clinic.url(user="app_owner")
    settings = DatabaseSettings(url=pooler.url("healthy"), pooler="transaction", direct_url=direct_url)
    report = await examine(settings, write=True)
    found = {finding.check: finding for finding in report.findings}
    assert [each for each in report.findings if each.level > Level.NOTE] == []
    assert found["pooling.sessions"].found.startswith("a transaction pooler, as configured")
    assert "lost between transactions" in found["pooling.prepared_statements"].found
    assert "clients of the pooler" in found["capacity.pools"].found
    assert "1 round trip" in found["latency.call"].found
    assert found["criteria.SC-005"].level is Level.OK


async def test_a_pooler_without_a_way_to_the_server_is_found(pooler: PgBouncer) -> None:
    """Without a direct URL migrations cannot reach the server."""
    found = await _findings(DatabaseSettings(url=pooler.url("healthy"), pooler="transaction"))
    assert found["url.direct"].level is Level.ERROR
    assert "DATABASE_DIRECT_URL" in found["url.direct"].advice


async def test_a_pooler_that_is_none_is_told(clinic: Clinic) -> None:
    """The settings declare the server itself as a pooler."""
    found = await _findings(DatabaseSettings(url=clinic.url(), pooler="transaction", direct_url=clinic.url()))
    assert found["pooling.sessions"].level is Level.NOTE
    assert "DATABASE_POOLER=none" in found["pooling.sessions"].advice


async def test_nothing_is_left_in_the_pooler(pooler: PgBouncer) -> None:
    """Other clients get its connections to the server, so the probe's setting is cleared."""
    first = await _findings(DatabaseSettings(url=pooler.url("healthy"), pooler="transaction"))
    again = await _findings(DatabaseSettings(url=pooler.url("healthy"), pooler="transaction"))
    assert first["pooling.sessions"] == again["pooling.sessions"]
    assert first["pooling.prepared_statements"] == again["pooling.prepared_statements"]
