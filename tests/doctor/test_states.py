"""Server states that an operator meets in an incident."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import text

from app.db import DatabaseSettings
from app.db.migrations import upgrade
from app.doctor import Finding, Level, examine
from tests.doctor.conftest import Clinic, MakePatient
from tests.support.canary import SECRET
from tests.support.postgres import Postgres
from tests.support.tls import Authority, certificate_folder, tls_server


async def _examined(settings: DatabaseSettings) -> tuple[int, dict[str, Finding]]:
    report = await examine(settings)
    return report.exit_status, {finding.check: finding for finding in report.findings}


@asynccontextmanager
async def _holding(clinic: Clinic, name: str, lock: str) -> AsyncIterator[None]:
    async with clinic.as_superuser(name) as db, db.engine.begin() as connection:
        await connection.execute(text(f"lock table task in {lock} mode"))
        yield


async def test_a_locked_table_is_named_and_not_waited_for(clinic: Clinic, make_patient: MakePatient) -> None:
    """The finding says who holds the lock and how to end it; the rest is examined."""
    name = await make_patient()
    async with _holding(clinic, name, "access exclusive"):
        status, found = await _examined(DatabaseSettings(url=clinic.url(name)))  # returns while the lock is still held
    assert status == 2
    assert "holds an exclusive lock on task" in found["access.locks"].found
    assert "select pg_terminate_backend(" in found["access.locks"].advice
    assert "see access.locks" in found["schema.drift"].advice
    assert found["schema.indexes"].level is Level.OK


async def test_a_role_whose_statements_may_take_little_time_is_examined(
    clinic: Clinic, make_patient: MakePatient
) -> None:
    """The doctor reads with its own limit, and reports the role's."""
    name = await make_patient("alter database {name} set statement_timeout = '100ms'")
    status, found = await _examined(DatabaseSettings(url=clinic.url(name)))
    assert status == 0, found
    assert "statement_timeout 0.1 s" in found["configuration.timeouts"].found


async def test_no_connection_that_is_free_is_told(clinic: Clinic) -> None:
    """Other clients hold all connections."""
    async with clinic.as_superuser("healthy") as db:
        await db.execute(text(f"create role crowded login password '{SECRET}' connection limit 0"))
        status, found = await _examined(DatabaseSettings(url=clinic.url(user="crowded"), retry_seconds=1))
        await db.execute(text("drop role crowded"))
    assert status == 3
    assert "too many connections" in found["connection.open"].found
    assert "use smaller pools" in found["connection.open"].advice
    assert found["url.target"].level is Level.OK  # how the URL was understood is reported even then


async def test_few_connections_left_are_told(clinic: Clinic) -> None:
    """The role's own limit counts; connections of other roles do not."""
    async with clinic.as_superuser("healthy") as db:
        await db.execute(text(f"create role narrow login password '{SECRET}' connection limit 3"))
        await db.execute(text("grant app to narrow"))
        status, found = await _examined(DatabaseSettings(url=clinic.url(user="narrow"), retry_seconds=1))
        await db.execute(text("drop role narrow"))
    assert status == 2
    assert "20 of 3 usable connections (connection limit of the role 3)" in found["capacity.pools"].found
    assert found["capacity.in_use"].found.endswith("of 3 connections are in use (connection limit of the role)")
    assert "not tested, because only " in found["criteria.SC-006"].found


async def test_a_direct_url_of_another_database_is_found(clinic: Clinic, make_patient: MakePatient) -> None:
    """Migrations would change the other database."""
    other = clinic.url(await make_patient())
    status, found = await _examined(DatabaseSettings(url=clinic.url(), direct_url=other))
    assert status == 2
    assert "a different database" in found["url.direct"].found
    _, found = await _examined(DatabaseSettings(url=clinic.url(), direct_url=clinic.url()))
    assert found["url.direct"].level is Level.OK


async def test_too_small_a_pool_for_twenty_sessions_is_told(clinic: Clinic) -> None:
    """All instances together count, and the check uses the application's own pool size."""
    settings = DatabaseSettings(url=clinic.url(), pool_size=5)
    _, found = await _examined(settings)
    assert found["criteria.SC-006"].level is Level.WARNING
    report = await examine(settings, instances=4)
    criterion = next(each for each in report.findings if each.check == "criteria.SC-006")
    assert criterion.level is Level.OK
    assert "of 15 callers 5 had a session, 10 were queued" in criterion.found


async def test_what_nobody_thought_of_hides_nothing(clinic: Clinic, make_patient: MakePatient) -> None:
    """An unexpected error ends one check; the others run, and what the error quotes is not shown."""
    name = await make_patient(
        "create schema strange",
        "create view strange.pg_settings as select name, null as reset_val from pg_catalog.pg_settings",
        "grant usage on schema strange to app",
        "grant select on strange.pg_settings to app",
        "alter database {name} set search_path = strange, pg_catalog, public",
    )
    status, found = await _examined(DatabaseSettings(url=clinic.url(name)))
    assert status == 2
    assert found["configuration.timeouts"].found == "could not be checked: TypeError"
    assert found["schema.triggers"].level is Level.OK


@contextmanager
def _embedded(folder: Path, **settings: str) -> Iterator[Postgres]:
    with Postgres(folder, settings=settings) as server:
        yield server


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """Return a folder that the server's account can enter."""
    with TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


async def test_a_standby_is_found(data_folder: Path) -> None:
    """A standby answers every query, and accepts no writes."""
    with _embedded(data_folder / "data") as server:
        await upgrade(DatabaseSettings(url=server.url()))
        (server.data_folder / "pgdata" / "standby.signal").touch()
        shutil.chown(server.data_folder / "pgdata" / "standby.signal", (server.data_folder / "pgdata").owner())
        server.restart()
        status, found = await _examined(DatabaseSettings(url=server.url()))
        (server.data_folder / "pgdata" / "standby.signal").unlink()
    assert status == 2
    assert found["server.writable"].found == "a standby: it accepts no writes"
    assert [each for each in found.values() if "could not be checked" in each.found] == []


async def test_an_embedded_server_is_well(data_folder: Path) -> None:
    """It is reached through its socket, and its data is kept."""
    with _embedded(data_folder / "data") as server:
        await upgrade(DatabaseSettings(url=server.url()))
        status, found = await _examined(DatabaseSettings(url=server.url()))
    assert [each.check for each in found.values() if each.level > Level.NOTE] == ["access.role"]
    assert status == 1
    assert found["tls.version"].found.startswith("none: a Unix socket")


async def test_on_neon_a_disk_that_is_not_waited_for_is_no_fault(data_folder: Path) -> None:
    """`fsync` is always off on Neon; elsewhere that is a warning. The server tells, not the host's name."""
    off = {"fsync": "off", "full_page_writes": "off"}
    with _embedded(data_folder / "data", **off) as server:
        await upgrade(DatabaseSettings(url=server.url()))
        status, found = await _examined(DatabaseSettings(url=server.url()))
        assert (status, found["configuration.fsync"].level) == (1, Level.WARNING)
    with _embedded(data_folder / "data", **off, **{"neon.timeline_id": "0" * 32}) as server:
        _, found = await _examined(DatabaseSettings(url=server.url(), pool_recycle_seconds=600))
        assert found["configuration.fsync"].level is Level.OK
    assert "Neon suspends after 300 s" in found["capacity.recycle"].found
    assert "DATABASE_POOL_RECYCLE_SECONDS=240" in found["capacity.recycle"].advice
    assert "of 93 usable connections" in found["capacity.pools"].found


async def test_a_client_that_would_wait_for_ever_is_found(clinic: Clinic) -> None:
    """Neither the client nor the server sets a limit."""
    _, found = await _examined(DatabaseSettings(url=clinic.url(), command_timeout_seconds=None))
    assert found["configuration.timeouts"].level is Level.WARNING
    assert "DATABASE_COMMAND_TIMEOUT_SECONDS" in found["configuration.timeouts"].advice


async def test_a_certificate_that_ends_soon_is_found() -> None:
    """It is found before it expires and every connect fails."""
    with certificate_folder() as folder:
        authority = Authority(folder, "ours")
        soon = authority.issue("soon", "localhost", until=datetime.now(UTC) + timedelta(days=3))
        with tls_server(soon) as server:
            url = f"postgresql://postgres@localhost:{server.port}/postgres?sslrootcert={authority.ca}&sslmode="
            _, found = await _examined(DatabaseSettings(url=f"{url}verify-full"))
            assert found["tls.expiry"].level is Level.WARNING
            assert "Renew it" in found["tls.expiry"].advice
            _, found = await _examined(DatabaseSettings(url=f"{url}verify-ca"))
            assert found["tls.certificate"].level is Level.NOTE
            assert "the host name is not" in found["tls.certificate"].found
