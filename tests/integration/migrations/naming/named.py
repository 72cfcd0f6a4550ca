"""Databases for the tests of naming, and what is in them."""

from sqlalchemy import make_url, text

from app.db import Database, DatabaseSettings
from app.db.migrations import current


def with_password(url: str) -> str:
    """Return the URL with a password that needs escaping; a server with trust authentication ignores it."""
    return make_url(url).set(password="canary@%pw").render_as_string(hide_password=False)


async def rows(url: str) -> int:
    """Return how many tasks there are."""
    async with Database(DatabaseSettings(url=url, direct_url=None)) as db:
        return int((await db.execute(text("select count(*) from task"))).scalar_one())


async def revision(url: str) -> str | None:
    """Return the revision of a database."""
    return await current(DatabaseSettings(url=url, direct_url=None))
