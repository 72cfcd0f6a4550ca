"""The doctor on tables that are divided: it knows their keys and plans, and what is wrong with shards."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.models import TaskCreate
from app.doctor import Finding, Level, examine
from app.repositories import TaskRepo
from tests.sharding.conftest import citus


async def findings(settings: DatabaseSettings, *groups: str, write: bool = False) -> list[Finding]:
    """Return the findings of some groups."""
    report = await examine(settings, write=write)
    return [each for each in report.findings if each.group in groups]


def bad(found: list[Finding]) -> list[Finding]:
    """Return the warnings and errors."""
    return [each for each in found if each.level >= Level.WARNING]


async def test_divided_tables_are_healthy(settings: DatabaseSettings) -> None:
    """Their keys, indexes, constraints and triggers are as they should be, and every query uses an index."""
    found = await findings(settings, "schema", "plans", "sharding")
    assert [each for each in bad(found) if each.check != "sharding.tables"] == []


async def test_divided_tables_match_what_the_migrations_create(settings: DatabaseSettings) -> None:
    """The primary key contains the owner; everything else is compared in full."""
    found = await findings(settings, "criteria", write=True)
    verdicts = {each.name: each for each in found}
    assert "are as the migrations create them" in verdicts["SC-001"].found
    assert bad([each for name, each in verdicts.items() if name != "SC-004"]) == []  # no TLS here


async def test_a_plain_database_has_no_findings_on_shards(migrated_url: str) -> None:
    """Nothing is said of what is not used."""
    assert await findings(DatabaseSettings(url=migrated_url), "sharding") == []


async def test_the_setting_without_its_functions_is_found(migrated_url: str) -> None:
    """Appends would fail; the advice creates them."""
    found = await findings(DatabaseSettings(url=migrated_url, sharded=True), "sharding")
    (functions,) = bad(found)
    assert (functions.check, "python -m app distribute" in functions.advice) == ("sharding.functions", True)


@pytest.fixture
async def own(citus_server_url: str) -> AsyncIterator[DatabaseSettings]:
    """Create a sharded database of one test's own."""
    async with citus(citus_server_url) as url:
        yield DatabaseSettings(url=url, sharded=True)


async def test_a_missing_setting_is_found(citus_url: str) -> None:
    """The plans that Citus refuses are notes that point to it."""
    found = await findings(DatabaseSettings(url=citus_url), "sharding", "plans")
    assert [each.check for each in bad(found)] == ["sharding.setting"]
    assert {each.advice for each in found if "cannot be explained" in each.found} == {"See sharding.setting."}


async def _worker(settings: DatabaseSettings) -> DatabaseSettings:
    async with Database(settings) as db:
        ports = "select coalesce((select nodeport from pg_dist_node where groupid = {0} limit 1), 0)"
        entry, worker = [(await db.execute(text(ports.format(group)))).scalar_one() for group in (0, 1)]
    if not worker:
        pytest.skip("the cluster has one node")
    url = settings.url.get_secret_value().replace(f":{entry}/", f":{worker}/")
    return DatabaseSettings(url=url, sharded=True)


async def test_a_worker_is_found(citus_url: str) -> None:
    """The advice names the entry node."""
    found = bad(await findings(await _worker(DatabaseSettings(url=citus_url)), "sharding"))
    assert [each.check for each in found] == ["sharding.node"]
    assert "Connect every process to the entry node, " in found[0].advice


async def test_ids_that_were_drawn_on_a_worker_are_found(own: DatabaseSettings) -> None:
    """What the advice says makes the next ids follow those that are there."""
    async with Database(await _worker(own)) as worker:
        strange = await TaskRepo(worker).create("ada", TaskCreate(title="through the wrong node"))
    found = bad(await findings(own, "sharding"))
    assert [each.check for each in found] == ["sharding.ids"]
    async with Database(own) as db:
        await db.execute(text(found[0].advice.partition("then: ")[2].rstrip(";")))
        assert (await TaskRepo(db).create("ada", TaskCreate(title="next"))).id == strange.id + 1
    assert bad(await findings(own, "sharding")) == []
