"""Every way to name a database to Alembic works, and two that disagree are refused: no other database is used."""

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import Awaitable, Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, make_url, text

from app.db import Database, DatabaseSettings
from app.db.migrations import current, downgrade, upgrade
from app.embedded import EmbeddedPostgres
from tests.support.migrations import HEAD, ROOT

MakeDatabase = Callable[..., Awaitable[str]]
EmptyCopy = Callable[[], Awaitable[str]]


def with_password(url: str) -> str:
    """Return the URL with a password that needs escaping; a server with trust authentication ignores it."""
    return make_url(url).set(password="canary@%pw").render_as_string(hide_password=False)


@pytest.fixture
async def production(empty_copy: EmptyCopy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Give the database that the environment names, with a row in it; no command here may change it."""
    url = await empty_copy()
    async with Database(DatabaseSettings(url=url)) as db:
        await db.execute(text("insert into task (user_id, title) values ('ada', 'kept')"))
    monkeypatch.setenv("DATABASE_URL", with_password(url))
    monkeypatch.setenv("DATABASE_DIRECT_URL", with_password(url))
    monkeypatch.chdir(tmp_path)
    return url


async def rows(url: str) -> int:
    """Return how many tasks there are."""
    async with Database(DatabaseSettings(url=url, direct_url=None)) as db:
        return int((await db.execute(text("select count(*) from task"))).scalar_one())


async def revision(url: str) -> str | None:
    """Return the revision of a database."""
    return await current(DatabaseSettings(url=url, direct_url=None))


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


def alembic(
    folder: Path, *arguments: str, stdin: int = subprocess.DEVNULL, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=folder,
        env=clean | environ,
        capture_output=True,
        text=True,
        check=False,
        stdin=stdin,
    )


def ini(folder: Path, url: str) -> str:
    """Write an alembic.ini that names a database."""
    lines = (ROOT / "alembic.ini").read_text().replace("%(here)s", str(ROOT))
    escaped = url.replace("%", "%%")
    (folder / "alembic.ini").write_text(lines.replace("[alembic]\n", f"[alembic]\nsqlalchemy.url = {escaped}\n", 1))
    return str(folder / "alembic.ini")


async def test_on_the_command_line(make_database: MakeDatabase, tmp_path: Path) -> None:
    """`-x url=` comes first; the ini file, the environment and `.env` each work alone; the log says which was used."""
    url = with_password(await make_database())
    name = str(make_url(url).database)
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / ".env").write_text(f"DATABASE_URL={url}\n")
    ours, elsewhere = ["-c", str(ROOT / "alembic.ini")], "postgresql://ada:canary@nowhere.invalid/other"
    cases: list[tuple[Path, str | None, list[str], dict[str, Any], str]] = [
        (tmp_path, None, ["-x", f"url={url}"], {"DATABASE_URL": elsewhere}, "-x url="),
        (tmp_path, url, [], {}, "sqlalchemy.url in"),
        (tmp_path, url, [], {"DATABASE_URL": url}, "sqlalchemy.url in"),
        (tmp_path, elsewhere, ["-x", f"url={url}"], {"DATABASE_URL": elsewhere}, "-x url="),
        (tmp_path, None, [], {"DATABASE_URL": url}, "DATABASE_URL"),
        (tmp_path / "env", None, [], {}, "DATABASE_URL"),
    ]
    for folder, in_ini, arguments, environ, way in cases:
        at = ["-c", ini(tmp_path, in_ini)] if in_ini else ours
        ran = await asyncio.to_thread(alembic, folder, *at, *arguments, "upgrade", "head", **environ)
        assert ran.returncode == 0, ran.stderr
        said = next(line for line in ran.stderr.splitlines() if "the database is" in line)
        assert name in said
        assert f"({way}" in said
        assert "canary" not in ran.stderr
        assert await revision(url) == HEAD


async def test_an_ini_file_and_an_environment_that_disagree_are_refused(empty_copy: EmptyCopy, tmp_path: Path) -> None:
    """Neither was given for this command, so Alembic cannot know which one is meant."""
    url = await empty_copy()
    path = ini(tmp_path, "postgresql://ada:canary@nowhere.invalid/other")
    ran = await asyncio.to_thread(alembic, tmp_path, "-c", path, "downgrade", "base", DATABASE_URL=with_password(url))
    assert ran.returncode != 0
    assert "two databases are named, and nothing was done" in ran.stdout + ran.stderr
    assert "ada@nowhere.invalid:5432/other (sqlalchemy.url in" in ran.stdout + ran.stderr
    assert f"{make_url(url).database} (DATABASE_URL)" in ran.stdout + ran.stderr
    assert ("canary" in ran.stdout + ran.stderr, "Traceback" in ran.stdout + ran.stderr) == (False, False)
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


@pytest.mark.parametrize("arguments", [["downgrade", "base"], ["-x", "no", "downgrade", "base"]])
async def test_rows_are_dropped_only_when_told_to(empty_copy: EmptyCopy, tmp_path: Path, arguments: list[str]) -> None:
    """On the command line without a terminal, the error says what would be lost and how to go ahead."""
    url = await empty_copy()
    at = ["-c", str(ROOT / "alembic.ini")]
    async with Database(DatabaseSettings(url=url)) as db:
        await db.execute(text("insert into task (user_id, title) values ('ada', 'kept')"))
    ran = await asyncio.to_thread(alembic, tmp_path, *at, *arguments, DATABASE_URL=url)
    assert ran.returncode != 0
    assert f"this drops the rows of task in the database {make_url(url).database}" in ran.stdout + ran.stderr
    assert await rows(url) == 1
    ran = await asyncio.to_thread(alembic, tmp_path, *at, "-x", "yes", "downgrade", "base", DATABASE_URL=url)
    assert ran.returncode == 0, ran.stderr
    assert await revision(url) is None


@pytest.mark.parametrize(("answer", "done"), [("{name}", True), ("yes", False), ("", False)])
async def test_at_a_terminal_it_asks(empty_copy: EmptyCopy, tmp_path: Path, answer: str, *, done: bool) -> None:
    """It accepts only the name of the database as a yes."""
    url = await empty_copy()
    async with Database(DatabaseSettings(url=url)) as db:
        await db.execute(text("insert into conversation (user_id) values ('ada')"))
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer.format(name=make_url(url).database)}\n".encode())
    at = ["-c", str(ROOT / "alembic.ini")]
    ran = await asyncio.to_thread(alembic, tmp_path, *at, "downgrade", "base", stdin=theirs, DATABASE_URL=url)
    os.close(ours)
    os.close(theirs)
    assert "this drops the rows of conversation" in ran.stdout
    assert ((await revision(url)) is None, ran.returncode == 0) == (done, done), ran.stdout + ran.stderr


async def test_the_embedded_server_is_not_asked_about(tmp_path: Path) -> None:
    """Its data is the developer's own."""
    with EmbeddedPostgres() as server:
        url = server.url("postgres")
        await upgrade(DatabaseSettings(url=url))
        async with Database(DatabaseSettings(url=url)) as db:
            await db.execute(text("insert into task (user_id, title) values ('ada', 'x')"))
        at = ["-c", str(ROOT / "alembic.ini")]
        ran = await asyncio.to_thread(alembic, tmp_path, *at, "downgrade", "base", DATABASE_URL=url)
        assert ran.returncode == 0, ran.stdout + ran.stderr


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
