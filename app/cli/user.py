"""Export, erase and import everything of one user."""

import asyncio
import sys
from pathlib import Path
from typing import IO, Final

from rich.console import Console

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError, InvalidCursorError, StaleRowError
from app.userdata import Export, check_lines, erase_user, import_user

_UNFINISHED: Final = (".part", ".token")


def export(console: Console, user_id: str, *, file: Path | None) -> None:
    """Write everything of a user to a file, or to standard output, where nothing else is written."""
    rows = asyncio.run(_export_to_file(user_id, file) if file else _export(user_id, sys.stdout.buffer))
    if file:
        console.print(f"{file}: {_counted(rows)}", highlight=False, markup=False, soft_wrap=True)


def erase(console: Console, user_id: str) -> None:
    """Delete everything of a user, and print how many rows of each table."""
    rows = asyncio.run(_erase(user_id))
    console.print(f"erased: {_counted(rows)}; nothing is left", highlight=False, markup=False, soft_wrap=True)


def restore(console: Console, user_id: str, *, file: Path) -> None:
    """Give a user the rows of a file, which is read to its end before anything is written."""
    with file.open("rb") as lines:
        if not lines.seekable():
            raise ConfigurationError(f"{file}: it is read twice, so it must be a file and not a pipe")
        check_lines(lines)
        lines.seek(0)
        rows = asyncio.run(_import(user_id, lines))
    console.print(f"imported: {_counted(rows)}", highlight=False, markup=False, soft_wrap=True)


async def _export(user_id: str, target: IO[bytes]) -> dict[str, int]:
    async with Database(DatabaseSettings()) as db:
        begun = await Export.begin(db, user_id)
        async for lines in begun.lines():
            target.write(lines)
        target.flush()
        return begun.rows


async def _export_to_file(user_id: str, file: Path) -> dict[str, int]:
    """Write to a part beside the file, so that the same command goes on after an interruption."""
    part, token = (file.with_name(f"{file.name}{suffix}") for suffix in _UNFINISHED)
    async with Database(DatabaseSettings()) as db:
        begun = await _continued(db, user_id, part, token)
        if begun is None:
            begun = await Export.begin(db, user_id)
            part.write_bytes(b"")
            token.write_text(begun.token)
        with part.open("ab") as target:
            async for lines in begun.lines():
                target.write(lines)
    part.replace(file)
    token.unlink()
    return begun.rows


async def _continued(db: Database, user_id: str, part: Path, token: Path) -> Export | None:
    """Return the export that was interrupted; None if there is none, or if rows have been deleted since."""
    unfinished = _unfinished(part, token)
    if unfinished is None:
        return None
    try:
        return await Export.begin(db, user_id, token=unfinished[0], after=unfinished[1])
    except (InvalidCursorError, StaleRowError):
        return None


def _unfinished(part: Path, token: Path) -> tuple[str, int] | None:
    """Return the token of an interrupted export, and how many whole lines it has; what follows them is cut off."""
    if not (part.exists() and token.exists()):
        return None
    count = end = 0
    with part.open("r+b") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                count, end = count + 1, end + len(line)
        lines.truncate(end)
    return token.read_text(), count


async def _erase(user_id: str) -> dict[str, int]:
    rows: dict[str, int] = {}
    async with Database(DatabaseSettings()) as db:
        async for table, step in erase_user(db, user_id):
            rows[table] = rows.get(table, 0) + step
    return rows


async def _import(user_id: str, lines: IO[bytes]) -> dict[str, int]:
    async with Database(DatabaseSettings()) as db:
        return await import_user(db, user_id, lines)


def _counted(rows: dict[str, int]) -> str:
    return ", ".join(f"{count:,} of {table}" for table, count in rows.items()) or "no rows"
