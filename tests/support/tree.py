"""A copy of the project to which a test adds models, as a developer does."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from app.db import Database, DatabaseSettings
from tests.support.catalog import describe
from tests.support.migrations import ROOT

_HEAD = '''"""Models of a test."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import Field, SQLModel

from app.db.models.base import newest_first, owner, owner_not_empty, row_id, set_by_database

'''


class Tree:
    """A folder with the application, its revisions and what a test adds."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        ignored = shutil.ignore_patterns("__pycache__")
        for name in ("app", "alembic", "tools"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        for name in ("alembic.ini", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)
        (folder / ".venv").mkdir()

    def write_models(self, body: str) -> None:
        """Write a module of models with `body` beside the existing ones."""
        (self.folder / "app/db/models/more.py").write_text(_HEAD + body)
        package = self.folder / "app/db/models/__init__.py"
        line = "import app.db.models.more  # noqa: F401\n"
        if line not in package.read_text():
            package.write_text(package.read_text() + line)

    async def run(self, *arguments: str) -> tuple[int, str]:
        """Run a module of the copy; return its exit status and output."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
        process = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env=clean | {"DATABASE_URL": self.url, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        return process.returncode, process.stdout + process.stderr

    async def alembic(self, *arguments: str) -> str:
        """Run a command of Alembic that must succeed."""
        status, said = await self.run("alembic", *arguments)
        assert status == 0, said
        return said

    def revisions(self) -> list[Path]:
        """Return the revisions that the project does not have."""
        ours = {path.name for path in (ROOT / "alembic/versions").glob("*.py")}
        return sorted(path for path in (self.folder / "alembic/versions").glob("*.py") if path.name not in ours)

    async def schema(self) -> dict[str, str]:
        """Describe it without casts: an expression that PostgreSQL has printed comes back with different ones."""
        async with Database(DatabaseSettings(url=self.url)) as db:
            described = await describe(db)
        return {name: re.sub(r"::[a-z ]+(\[\])?|[()]", "", each) for name, each in described.items()}

    async def migrate_as_written(self, message: str) -> None:
        """Write revisions, check them with the gate, and go up, down and up again."""
        before, already = await self.schema(), len(self.revisions())
        await self.alembic("revision", "--autogenerate", "-m", message)
        written = "".join(path.read_text() for path in self.revisions())
        status, said = await self.run("tools.revision_gate")
        assert status == 0, said + written
        for arguments in (["ruff", "check", "alembic"], ["ruff", "format", "--check", "alembic"]):
            status, said = await self.run(*arguments)
            assert status == 0, said + written
        await self.alembic("upgrade", "head")
        await self.alembic("check")
        after = await self.schema()
        assert after != before
        await self.alembic("downgrade", f"-{len(self.revisions()) - already}")
        assert await self.schema() == before
        await self.alembic("upgrade", "head")
        assert await self.schema() == after
        await self.alembic("check")
