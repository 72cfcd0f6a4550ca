"""Every way to name a database to Alembic works, and two that disagree are refused: no other database is used."""

import asyncio
import os
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, make_url

from app.db import Database, DatabaseSettings
from app.db.migrations import downgrade, upgrade
from app.db.migrations.naming import database_of
from tests.integration.migrations.naming.named import revision, rows, with_password
from tests.support.collector import recorded_of
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


@pytest.mark.parametrize(
    "attributes",
    [{"database_url": "{url}"}, {"sqlalchemy.url": "{url}"}, {"connectable": "{url}"}, {"url": ""}, {"url": None}],
)
async def test_an_attribute_that_is_not_read_or_empty_is_refused(
    production: str, make_database: MakeDatabase, attributes: dict[str, str | None]
) -> None:
    """A conftest whose TEST_DATABASE_URL is unset must not empty the database that the environment names."""
    url = with_password(await make_database())
    config = Config(ROOT / "alembic.ini")
    config.attributes.update({key: value and value.format(url=url) for key, value in attributes.items()})
    with pytest.raises(CommandError, match=r"is not read, and nothing was done|it is empty") as refused:
        await asyncio.to_thread(command.downgrade, config, "base")
    assert "canary" not in str(refused.value)
    assert (await revision(production), await rows(production)) == (HEAD, 1)


async def test_an_empty_option_is_refused(production: str) -> None:
    """A program that sets it means a database; an empty line in the ini file says nothing."""
    config = Config(ROOT / "alembic.ini")
    by_option(config, "")
    with pytest.raises(CommandError, match=r"^sqlalchemy\.url set by the program: it is empty"):
        await asyncio.to_thread(command.downgrade, config, "base")
    assert await rows(production) == 1


@pytest.mark.parametrize("key", ["db_url", "URL", "dbname", "database", "host", "target"])
def test_an_argument_that_is_not_read_is_refused(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Other projects read such arguments in their env.py; those that speak of no database are left to revisions."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada@host/app")
    config = Config(ROOT / "alembic.ini")
    with pytest.raises(CommandError, match=f"^-x {key}= is not read, and nothing was done: -x url= names a database$"):
        database_of(config, {key: "postgresql://ada:canary@other/app", "yes": ""})
    config.attributes["configure_logger"] = False
    assert "host:5432" in str(database_of(config, {"data": "true", "tenant": "ada", "yes": ""}))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("postgresql://ada:canary%40pw@host/app", "cannot be read: write %% for a %"),
        ("driver://user:canary@localhost/dbname", r"sqlalchemy\.url in .*ini: it begins with something else"),
        ("${DATABASE_URL}", r"sqlalchemy\.url in .*ini: it is \$\{\.\.\.\}, a placeholder"),
    ],
)
async def test_a_wrong_line_in_the_ini_file_is_named(production: str, tmp_path: Path, line: str, says: str) -> None:
    """The error does not name DATABASE_URL, and shows no password, also not the part behind a %."""
    path = tmp_path / "alembic.ini"
    lines = (ROOT / "alembic.ini").read_text().replace("%(here)s", str(ROOT))
    path.write_text(lines.replace("[alembic]\n", f"[alembic]\nsqlalchemy.url = {line}\n", 1))
    with pytest.raises(CommandError, match=says) as refused:
        await asyncio.to_thread(command.downgrade, Config(path), "base")
    assert not {"canary", "pw@host"} & set(re.findall("canary|pw@host", recorded_of(refused.value)))
    assert "DATABASE_URL: " not in str(refused.value)
    assert await rows(production) == 1


def test_a_pooler_and_its_server_are_one_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """The release step names the direct host of the application's database."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:x@ep-a-pooler.eu.aws.neon.tech/app")
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = "postgresql://ada:x@ep-a.eu.aws.neon.tech/app"
    by_option(config, "postgresql://ada:x@ep-a-pooler.eu.aws.neon.tech/app")
    assert "ep-a.eu.aws" in str(database_of(config, {}))
