"""Every way to name a database to Alembic works, and two that disagree are refused: no other database is used."""

import asyncio
import os
from collections.abc import Callable
from itertools import product

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, make_url

from app.db import Database, DatabaseSettings
from app.db.migrations import downgrade, upgrade
from tests.integration.migrations.naming.named import revision, rows, with_password
from tests.support.databases import MakeDatabase
from tests.support.migrations import HEAD, ROOT


def by_option(config: Config, url: str) -> None:
    """Name it as nine out of ten public conftests do."""
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))


def by_section(config: Config, url: str) -> None:
    """Name it in the section of the ini file."""
    config.set_section_option(config.config_ini_section, "sqlalchemy.url", url.replace("%", "%%"))


def by_attribute(config: Config, url: str) -> None:
    """Name it as text."""
    config.attributes["url"] = url


def by_url_object(config: Config, url: str) -> None:
    """Name it as SQLAlchemy's URL."""
    config.attributes["url"] = make_url(url)


def by_engine(config: Config, url: str) -> None:
    """Hand over an engine."""
    config.attributes["engine"] = Database(DatabaseSettings(url=url, direct_url=None)).engine


WAYS = (by_option, by_section, by_attribute, by_url_object, by_engine)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_what_is_said_for_the_command_goes_before_the_environment(
    production: str, make_database: MakeDatabase, way: Callable[[Config, str], None]
) -> None:
    """Upgrade, check and downgrade to base run on the named database and on no other."""
    url = with_password(await make_database())
    config = Config(ROOT / "alembic.ini")
    way(config, url)
    await asyncio.to_thread(command.upgrade, config, "head")
    assert await revision(url) == HEAD
    await asyncio.to_thread(command.check, config)
    await asyncio.to_thread(command.downgrade, config, "base")
    assert await revision(url) is None
    assert (await revision(production), await rows(production)) == (HEAD, 1)


PAIRS = [
    (first, second)
    for first, second in product(WAYS[:4], WAYS[2:])
    if not {first, second} <= {by_attribute, by_url_object}
]


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda way: way.__name__)
async def test_two_that_disagree_are_refused(
    production: str, make_database: MakeDatabase, first: Callable[[Config, str], None], second: Callable[..., None]
) -> None:
    """The error shows both, without passwords; two that agree count as one."""
    url = with_password(await make_database())
    config = Config(ROOT / "alembic.ini")
    first(config, url)
    second(config, with_password(production))
    with pytest.raises(CommandError, match="two databases are named") as refused:
        await asyncio.to_thread(command.downgrade, config, "base")
    assert all(str(make_url(each).database) in str(refused.value) for each in (url, production))
    assert "canary" not in str(refused.value)
    assert await rows(production) == 1
    second(config, url)
    await asyncio.to_thread(command.upgrade, config, "head")
    assert await revision(url) == HEAD


@pytest.mark.parametrize(
    ("attribute", "value", "says"),
    [("connection", "engine.connect()", "of type str"), ("engine", 1, "of type int"), ("url", "no url", "not a URL")],
)
async def test_what_is_no_database_is_refused(production: str, attribute: str, value: object, says: str) -> None:
    """The sentence says what is accepted."""
    config = Config(ROOT / "alembic.ini")
    config.attributes[attribute] = value
    with pytest.raises(Exception, match=says):
        await asyncio.to_thread(command.downgrade, config, "base")
    assert await rows(production) == 1


async def test_an_async_connection_is_refused_with_the_way_to_get_the_other(production: str) -> None:
    """Callers commonly pass one."""
    config = Config(ROOT / "alembic.ini")
    async with Database(DatabaseSettings(url=production, direct_url=None)) as db, db.engine.connect() as connection:
        config.attributes["connection"] = connection
        with pytest.raises(CommandError, match="run_sync"):
            command.downgrade(config, "base")


async def test_a_connection_goes_before_the_environment(production: str, make_database: MakeDatabase) -> None:
    """A URL given with it must name the same database."""
    url = await make_database()

    def run(connection: Connection, other: str | None) -> None:
        config = Config(ROOT / "alembic.ini")
        config.attributes["connection"] = connection
        if other:
            by_option(config, other)
        command.upgrade(config, "head")

    async with Database(DatabaseSettings(url=url, direct_url=None)) as db, db.engine.begin() as connection:
        with pytest.raises(CommandError, match="two databases are named"):
            await connection.run_sync(run, production)
        await connection.run_sync(run, url)
    assert (await revision(url), await rows(production)) == (HEAD, 1)


async def test_the_direct_url_of_the_environment_is_not_another_databases(
    production: str, make_database: MakeDatabase
) -> None:
    """Settings with a URL of their own migrate that database, though DATABASE_DIRECT_URL names one."""
    settings = DatabaseSettings(url=await make_database())
    await upgrade(settings)
    await downgrade(settings, "base")
    assert await revision(production) == HEAD
    assert DatabaseSettings().direct_url is not None
    assert DatabaseSettings(url=os.environ["DATABASE_URL"]).direct_url is not None
