"""`python -m app user export|erase|import`, each run in its own process."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.db import Database
from app.userdata import Export
from tests.support.exported import exported, fill_messages, furnish, lines_of, stored
from tests.support.waiting import until, until_true

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-W", "error", "-m", "app", "user")


def _environment(url: str) -> dict[str, str]:
    return {**os.environ, "COLUMNS": "120", "DATABASE_URL": url}


def _user(url: str, *arguments: str | Path, piped: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env=_environment(url),
        input=piped,
        capture_output=True,
        check=False,
        timeout=240,
    )


def _names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


async def test_a_user_is_exported_erased_and_imported(
    db: Database, migrated_url: str, user_id: str, tmp_path: Path
) -> None:
    """To standard output or to a file, which another user can be given, too; each command says how many rows."""
    await furnish(db, user_id)
    file, expected = tmp_path / "ada.ndjson", await exported(db, user_id)
    assert _user(migrated_url, "export", user_id).stdout == expected
    wrote = _user(migrated_url, "export", user_id, "--output", file)
    tasks = len((await stored(db, user_id))["task"])
    assert f"{tasks} of task" in wrote.stdout.decode()
    assert _names(tmp_path) == ["ada.ndjson"]
    erased = _user(migrated_url, "erase", user_id, "--yes")
    assert f"{tasks} of task" in erased.stdout.decode()
    assert "nothing is left" in erased.stdout.decode()
    assert not any((await stored(db, user_id)).values())
    for restored in (user_id, f"{user_id}-2"):
        ran = _user(migrated_url, "import", restored, file)
        assert f"{tasks} of task" in ran.stdout.decode()
        assert await exported(db, restored) == expected


async def test_without_a_yes_nothing_is_erased(db: Database, migrated_url: str, user_id: str) -> None:
    """A script that does not say it, too."""
    await furnish(db, user_id)
    before = await exported(db, user_id)
    ran = _user(migrated_url, "erase", user_id)
    assert ran.returncode == 1
    assert "--yes" in ran.stderr.decode()
    assert await exported(db, user_id) == before


async def test_an_export_that_was_interrupted_goes_on(
    db: Database, migrated_url: str, user_id: str, tmp_path: Path
) -> None:
    """A line that was half written is written again; where rows have been deleted meanwhile it begins again."""
    await furnish(db, user_id)
    begun, lines = await Export.begin(db, user_id), await lines_of(db, user_id)
    file, part, token = (tmp_path / name for name in ("ada.ndjson", "ada.ndjson.part", "ada.ndjson.token"))
    for of, half in ((begun.token, lines[3][:10]), ((await Export.begin(db, "somebody")).token, b"")):
        part.write_bytes(b"".join(lines[:3]) + half)
        token.write_text(of)
        assert _user(migrated_url, "export", user_id, "--output", file).returncode == 0
        assert file.read_bytes() == b"".join(lines)
        assert _names(tmp_path) == ["ada.ndjson"]


@pytest.mark.parametrize("command", ["export", "import"])
async def test_killed_in_the_middle_the_same_command_goes_on(
    db: Database, migrated_url: str, user_id: str, tmp_path: Path, command: str
) -> None:
    """The process is killed with kill -9, and the second one ends with the same bytes as one that was not."""
    await fill_messages(db, user_id, messages=30_000)
    expected, file = await exported(db, user_id), tmp_path / "ada.ndjson"
    restored = f"{user_id}-2"
    arguments: tuple[str, ...] = ("export", user_id, "--output", str(file))
    if command == "import":
        file.write_bytes(expected)
        arguments = ("import", restored, str(file))
    process = await asyncio.create_subprocess_exec(*COMMAND, *arguments, cwd=ROOT, env=_environment(migrated_url))
    if command == "import":
        await until_true(db, "select count(*) > 2000 from message where user_id = :user", user=restored)
    else:
        await until(lambda: bool(_size(tmp_path / "ada.ndjson.part")))
    os.kill(process.pid, signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    assert _user(migrated_url, *arguments).returncode == 0
    assert file.read_bytes() == expected
    if command == "import":
        assert await exported(db, restored) == expected


async def test_a_broken_file_is_one_sentence_and_nothing_is_written(
    db: Database, migrated_url: str, user_id: str, tmp_path: Path
) -> None:
    """The file is read to its end first."""
    await furnish(db, user_id)
    lines, file = await lines_of(db, user_id), tmp_path / "ada.ndjson"
    file.write_bytes(b"".join(lines[:-1]))
    ran = _user(migrated_url, "import", f"{user_id}-2", file)
    assert ran.returncode == 2
    assert f"line {len(lines)}: the file ends here" in ran.stderr.decode()
    assert not any((await stored(db, f"{user_id}-2")).values())


async def test_files_that_cannot_be_used_are_one_sentence(migrated_url: str, user_id: str, tmp_path: Path) -> None:
    """A folder that is not there, and a pipe, which cannot be read twice."""
    ran = _user(migrated_url, "export", user_id, "--output", tmp_path / "missing" / "ada.ndjson")
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert "FileNotFoundError" in ran.stderr.decode()
    ran = _user(migrated_url, "import", user_id, "/dev/stdin", piped=b"hello\n")
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert "must be a file and not a pipe" in ran.stderr.decode()


def test_an_export_that_fails_writes_no_error_among_the_lines(user_id: str) -> None:
    """Standard output is a file of the user's data."""
    ran = _user("postgresql://a:b@127.0.0.1/?", "export", user_id)
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert "error: DATABASE_URL" in ran.stderr.decode()


async def test_an_export_whose_reader_has_gone_ends_quietly(db: Database, migrated_url: str, user_id: str) -> None:
    """As in `python -m app user export ada | head`."""
    await fill_messages(db, user_id, messages=30_000)
    reader, writer = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "export", user_id),
        cwd=ROOT,
        env=_environment(migrated_url),
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    assert await asyncio.to_thread(os.read, reader, 1) == b"{"
    os.close(reader)
    assert (await process.communicate())[1] == b""
    assert process.returncode == 1


def test_it_is_imported_without_the_commands() -> None:
    """A program that erases a user needs neither rich nor typer."""
    loaded = "import sys, app.userdata; print({'rich', 'typer', 'fastapi'} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
