"""Each problem is found and reported with its advice."""

import pytest
from sqlalchemy import text

from app.db import DatabaseSettings
from app.db.errors import DataAccessError
from app.db.migrations import downgrade
from app.doctor import Level, Report, examine
from tests.doctor.conftest import Clinic, MakePatient
from tests.doctor.planted import CURABLE, PLANTED
from tests.doctor.planted_case import Planted
from tests.support.migrations import BEHIND_AT_FIRST, FIRST, HEAD


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
async def test_what_is_planted_is_found(clinic: Clinic, make_patient: MakePatient, planted: Planted) -> None:
    """The finding has its name, level and advice, and the exit status matches."""
    name = await make_patient(*planted.statements)
    report = await examine(DatabaseSettings(url=clinic.url(name)))
    _assert_found(report, planted.check, planted.level, planted.says, planted.advises)


@pytest.mark.parametrize("name", CURABLE)
async def test_what_it_says_to_do_mends_it(clinic: Clinic, make_patient: MakePatient, name: str) -> None:
    """The printed statements are run unchanged."""
    planted = PLANTED[name]
    database = await make_patient(*planted.statements)
    settings = DatabaseSettings(url=clinic.url(database))
    advice = " ".join(each.advice for each in (await examine(settings)).findings if each.check == planted.check)
    async with clinic.as_superuser(database) as db, db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in filter(None, map(str.strip, advice.split(";"))):
            await connection.exec_driver_sql(statement)
    after = [each.level for each in (await examine(settings)).findings if each.check == planted.check]
    assert set(after) == {Level.OK}


def _assert_found(report: Report, check: str, level: Level, says: str, advises: str) -> None:
    found = [each for each in report.findings if each.check == check and says in each.found]
    others = [each for each in report.findings if each.advice]
    assert [each.level for each in found] == [level], others
    assert advises in found[0].advice
    assert report.exit_status >= {Level.WARNING: 1, Level.ERROR: 2}.get(level, 0)
    assert [each for each in report.findings if "could not be checked" in each.found] == []


async def test_a_database_behind_head_is_found(clinic: Clinic, make_patient: MakePatient) -> None:
    """The finding counts the missing revisions; the drift that follows is only a note."""
    settings = clinic.settings(await make_patient())
    await downgrade(settings, FIRST)
    report = await examine(settings)
    _assert_found(
        report,
        "schema.revision",
        Level.ERROR,
        f"at {FIRST}, {BEHIND_AT_FIRST} behind head {HEAD}",
        "python -m app migrate",
    )
    assert [each.level for each in report.findings if each.check == "schema.drift"] == [Level.NOTE]


async def test_an_invalid_index_is_found(clinic: Clinic, make_patient: MakePatient) -> None:
    """A failed `create index concurrently` leaves such an index."""
    name = await make_patient("insert into task (user_id, title) values ('twice', 'x'), ('twice', 'y')")
    async with clinic.as_superuser(name) as db:
        with pytest.raises(DataAccessError):
            await db.execute(text("create unique index concurrently ix_half_made on task (user_id)"))
    report = await examine(DatabaseSettings(url=clinic.url(name)))
    _assert_found(report, "schema.indexes", Level.ERROR, "ix_half_made on task is invalid", "drop index concurrently")


async def test_too_large_a_pool_is_found(clinic: Clinic) -> None:
    """All instances together need more connections than there are; the advice gives the size that fits."""
    report = await examine(DatabaseSettings(url=clinic.url()), instances=8)
    _assert_found(report, "capacity.pools", Level.ERROR, "8 x pool of 20 = 160 of 97", "DATABASE_POOL_SIZE to 12")


async def test_an_unverified_certificate_is_found(clinic: Clinic) -> None:
    """The connection is encrypted, but the server is not verified."""
    report = await examine(DatabaseSettings(url=clinic.url(query="sslmode=require")))
    _assert_found(report, "tls.certificate", Level.WARNING, "not verified (sslmode=require)", "sslmode=verify-full")
    _assert_found(report, "criteria.SC-004", Level.WARNING, "see tls.certificate", "sslmode=verify-full")
    assert report.exit_status == 1


async def test_a_certificate_of_any_public_ca_for_any_host_is_found(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the system's CAs, `verify-ca` accepts a certificate that anybody can buy."""
    monkeypatch.setenv("SSL_CERT_FILE", str(clinic.ca))
    report = await examine(DatabaseSettings(url=clinic.url(query="sslmode=verify-ca")))
    _assert_found(report, "tls.certificate", Level.ERROR, "any public CA", "sslmode=verify-full")
    for query in ("sslmode=verify-full", "sslmode=verify-ca&sslrootcert=system"):  # the second means the same
        report = await examine(DatabaseSettings(url=clinic.url(query=query)))
        assert [each.level for each in report.findings if each.check == "tls.certificate"] == [Level.OK]


async def test_what_a_connection_in_the_open_is_told_is_well(clinic: Clinic) -> None:
    """The advised mode causes no other warning, and a login without TLS does not claim TLS."""
    for host in ("localhost", "127.1"):
        report = await examine(DatabaseSettings(url=clinic.url(query="sslmode=disable", host=host)))
        (advice,) = [each.advice for each in report.findings if each.check == "tls.version"]
        assert "sslmode=verify-full" in advice
        assert "sslmode=require" not in advice
        assert [each for each in report.findings if "TLS and login" in each.found] == []
    as_advised = await examine(DatabaseSettings(url=clinic.url()))
    assert {each.level for each in as_advised.findings if each.group == "tls"} == {Level.OK}


@pytest.mark.parametrize(("host", "level", "status"), [("localhost", Level.NOTE, 0), ("127.1", Level.ERROR, 2)])
async def test_a_connection_in_the_open_is_found(clinic: Clinic, host: str, level: Level, status: int) -> None:
    """On a network it is an error, on loopback it is allowed; the criterion is not met either way."""
    report = await examine(DatabaseSettings(url=clinic.url(query="sslmode=disable", host=host)))
    levels = {each.check: each.level for each in report.findings}
    assert (levels["tls.version"], levels["criteria.SC-004"]) == (level, level)
    assert report.exit_status == status


async def test_another_encoding_is_found(clinic: Clinic) -> None:
    """Such an encoding cannot hold every message."""
    async with clinic.as_superuser() as db:
        await db.execute(
            text("create database latin encoding 'LATIN1' locale_provider libc locale 'C' template template0")
        )
        report = await examine(DatabaseSettings(url=clinic.url("latin")))
        await db.execute(text("drop database latin"))
    _assert_found(report, "server.encoding", Level.ERROR, "LATIN1, not UTF8", "UTF8")
