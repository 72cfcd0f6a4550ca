"""The demo, run in its own process."""

import asyncio
import os
import re
import subprocess
import sys

from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.repositories import entities
from tests.support.databases import EmptyCopy


def _demo(**environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    return subprocess.run(
        [sys.executable, "-m", "app", "demo"],
        env={**kept, "COLUMNS": "140", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_without_a_url_it_brings_its_own_postgresql() -> None:
    """Every step is as promised, and each shows its statement, its one round trip and its index."""
    done = _demo()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a private PostgreSQL" in done.stdout
    assert "All 18 steps were as promised" in done.stdout
    assert "ix_message_conversation_id_user_id_id" in done.stdout
    assert "Seq Scan" not in done.stdout
    assert done.stderr == ""


async def test_each_statement_is_shown_with_its_predicate(migrated_url: str) -> None:
    """Only the list of columns is left out: that no user sees another's rows is in the rest."""
    done = await asyncio.to_thread(_demo, DATABASE_URL=migrated_url, COLUMNS="2000")
    shown = re.findall(r"^  (?:INSERT|SELECT|UPDATE|DELETE|WITH) .*?$", done.stdout, flags=re.MULTILINE)
    assert len(shown) == 18
    for statement in shown:
        assert statement.count("(") == statement.count(")"), statement
        assert "…" in statement, statement
        assert ".user_id AS TEXT) = CAST($" in statement or statement.startswith("  INSERT"), statement


async def test_with_a_url_it_leaves_nothing_behind(empty_copy: EmptyCopy) -> None:
    """The demo deletes what it wrote into a database that is not its own."""
    url = await empty_copy()
    done = await asyncio.to_thread(_demo, DATABASE_URL=url)
    assert done.returncode == 0, done.stdout + done.stderr
    async with Database(DatabaseSettings(url=url)) as db:
        for table in entities():
            assert (await db.execute(text(f"select count(*) from {table}"))).scalar_one() == 0


async def test_a_broken_promise_is_named_and_fails(empty_copy: EmptyCopy) -> None:
    """Without its index a list reads the whole table: the demo names the broken step and exits with 1."""
    url = await empty_copy()
    async with Database(DatabaseSettings(url=url)) as db:
        for index in ("ix_conversation_user_id_updated_at_id", "ix_task_user_id_id"):
            await db.execute(text(f"drop index {index}"))
    done = await asyncio.to_thread(_demo, DATABASE_URL=url)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Broken: " in done.stdout
    assert "list the conversations, the most recently active first" in done.stdout.partition("Broken: ")[2]


def test_a_url_that_cannot_be_is_a_sentence() -> None:
    """A wrong URL is named in a sentence, without a traceback and without its password."""
    done = _demo(DATABASE_URL="mysql://ada:secret@localhost/app")
    assert done.returncode == 2
    assert "mysql" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "secret" not in done.stderr + done.stdout
