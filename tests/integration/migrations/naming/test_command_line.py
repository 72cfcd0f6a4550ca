"""Alembic's own command works on the named database only, and drops rows only when told to."""

import asyncio
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text

from app.db import Database, DatabaseSettings
from app.db.migrations import upgrade
from app.embedded import EmbeddedPostgres
from tests.integration.migrations.naming.named import revision, rows, with_password
from tests.support.databases import EmptyCopy, MakeDatabase
from tests.support.migrations import HEAD, ROOT


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
