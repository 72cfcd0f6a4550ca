"""Migrations in their own processes, and folders of revisions made for a test."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from tests.support.programs import postgres_program

ROOT = Path(__file__).resolve().parents[2]
_SCRIPT = ScriptDirectory.from_config(Config(ROOT / "alembic.ini"))
FIRST, HEAD = str(_SCRIPT.get_base()), str(_SCRIPT.get_current_head())
BEHIND_AT_FIRST = len(list(_SCRIPT.walk_revisions(FIRST, HEAD))) - 1
"""How many revisions a database at `FIRST` lacks."""


def start_alembic(*arguments: str, url: str, folder: Path = ROOT, **environ: str) -> subprocess.Popen[str]:
    """Start the command with the `alembic.ini` of `folder`; settings as in ``migration_wait_seconds="1"``."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    settings = {f"DATABASE_{name.upper()}": value for name, value in environ.items()}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "alembic", "-c", str(folder / "alembic.ini"), *arguments],
        cwd=folder,
        env=clean | settings | {"DATABASE_URL": url, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def run_alembic(*arguments: str, url: str, folder: Path = ROOT) -> tuple[int, str]:
    """Return the exit status of a command and its output."""
    process = start_alembic(*arguments, url=url, folder=folder)
    said, logged = await asyncio.to_thread(process.communicate)
    return process.returncode, said + logged


async def run_module(*words: str, url: str) -> tuple[int, str]:
    """Return the exit status of ``python -m`` with these words, and its output."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    environment = clean | {"DATABASE_URL": url, "DATABASE_RETRY_SECONDS": "1"}
    command = [sys.executable, "-m", *words]
    ran = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr


def with_revisions(folder: Path, **bodies: str) -> Path:
    """Copy the migrations to `folder` and add a chain of revisions, each with the body of its `upgrade`."""
    shutil.copytree(ROOT / "alembic", folder / "alembic")
    shutil.copy(ROOT / "alembic.ini", folder)
    before = HEAD
    for number, (name, body) in enumerate(bodies.items()):
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        (folder / "alembic" / "versions" / f"2030_01_01_{number:04}_{name}.py").write_text(
            f'"""{name}."""\n\nfrom alembic import op\nfrom alembic.util import CommandError\n'
            "from app.db.migrations import create_index_concurrently, drop_index_concurrently\n\n"
            f'revision = "{name}"\ndown_revision = "{before}"\n\n\n'
            f"def upgrade():\n{lines}\n\n\ndef downgrade():\n    op.execute('select 1')\n"
        )
        before = name
    return folder


def dump_schema(url: str) -> str:
    """Return the output of ``pg_dump --schema-only``, without its random token and Alembic's table."""
    dump = postgres_program("pg_dump", url, "--schema-only", "--exclude-table=alembic_version")
    return re.sub(r"^\\(un)?restrict .*$", "", dump, flags=re.MULTILINE)
