"""Prune old idempotency keys."""

import asyncio
from datetime import timedelta

from rich.console import Console

from app.db import Database, DatabaseSettings
from app.db.retention import Forgotten, forget_keys


def prune(console: Console, *, days: int) -> None:
    """Delete the idempotency keys of rows older than `days`, and print how many in each table."""
    for each in asyncio.run(_prune(DatabaseSettings(), timedelta(days=days))):
        console.print(f"{each.table}: {each.keys:,} keys removed", highlight=False)


async def _prune(settings: DatabaseSettings, older_than: timedelta) -> list[Forgotten]:
    if settings.direct_url:
        settings = settings.model_copy(update={"url": settings.direct_url, "direct_url": None})
    async with Database(settings) as db:
        return await forget_keys(db, older_than=older_than)
