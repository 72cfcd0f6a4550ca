"""Where settings come from."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.db import DatabaseSettings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stand in an empty folder, without DATABASE_*."""
    for name in [name for name in os.environ if name.startswith("DATABASE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_a_missing_url_is_named() -> None:
    """The error says which variable to set."""
    with pytest.raises(ValidationError, match="DATABASE_URL"):
        DatabaseSettings()


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`.env` is read, and what is exported counts more."""
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://file@host/app\nDATABASE_POOL_SIZE=3\n")
    assert (DatabaseSettings().target().user, DatabaseSettings().pool_size) == ("file", 3)
    monkeypatch.setenv("DATABASE_URL", "postgresql://environment@host/app")
    assert DatabaseSettings().target().user == "environment"


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_value_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A pool of nothing is a mistake, found when the settings are made."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:c4n4ry@host/app")
    monkeypatch.setenv("DATABASE_POOL_SIZE", value)
    with pytest.raises(ValidationError) as caught:
        DatabaseSettings()
    assert "pool_size" in str(caught.value)
    assert "c4n4ry" not in str(caught.value)


def test_libpqs_variables_count_for_nothing(migrated_url: str) -> None:
    """What the URL leaves out is not taken from PG* or ~/.pgpass: only DATABASE_* counts."""
    script = """
import asyncio
from sqlalchemy import text
from app.db import Database, DatabaseSettings

async def main():
    async with Database(DatabaseSettings()) as db:
        print((await db.execute(text("select current_user"))).scalar_one())

asyncio.run(main())
"""
    nonsense = dict.fromkeys(("PGHOST", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE", "PGSSLMODE"), "nonsense")
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **nonsense, "PGPORT": "1", "PGTARGETSESSIONATTRS": "standby", "DATABASE_URL": migrated_url},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
