"""A Database on which every statement has run, behind a proxy that counts."""

from collections.abc import AsyncIterator

import pytest

from app.db import Database
from tests.support.calls import Rows, calls
from tests.support.wire import WireCounter, counted

Counted = tuple[Database, WireCounter]


@pytest.fixture(scope="module")  # an idle connection is pinged
async def warm(migrated_url: str) -> AsyncIterator[Counted]:
    """Give a Database of one connection on which every statement has run once, and what it costs from now on."""
    async with counted(migrated_url) as (db, counter):
        for call in calls():
            await call.run(db, await Rows.of(db, "warm"))
            rows = await Rows.of(db, "warm")
            async with db.transaction() as session:  # its statements are prepared separately from the others
                await call.run(session, rows)
        yield db, counter


@pytest.fixture
async def rows(db: Database, user_id: str) -> Rows:
    """Write rows of this test's user, uncounted."""
    return await Rows.of(db, user_id)
