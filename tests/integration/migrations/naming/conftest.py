"""The database that the environment names."""

from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from tests.integration.migrations.naming.named import with_password
from tests.support.databases import EmptyCopy


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
