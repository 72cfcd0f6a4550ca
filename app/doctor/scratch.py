"""A schema of the doctor's own: made, worked in, and removed however the work ends."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.url import ConnectionTarget
from app.doctor.findings import Finding, ok, warning
from app.doctor.subject import Checks, Subject, patient

_LEFT: Final = r"select nspname from pg_namespace where nspname ~ '^doctor_\d{14}_[0-9a-f]{8}$' order by nspname"
_POOL_SIZE: Final = 5


class ScratchSettings(DatabaseSettings):
    """The same settings, but for the server itself, where a session keeps its search_path, and the scratch schema."""

    goal: ConnectionTarget

    @classmethod
    def of(cls, settings: DatabaseSettings, schema: str) -> "ScratchSettings":
        """Return settings with nothing but `schema` in the search_path; raises `ConfigurationError`."""
        target = settings.direct_target()
        options = f"{target.server_settings.get('options', '')} -c search_path={schema}".strip()
        goal = replace(target, server_settings={**target.server_settings, "options": options})
        return cls.model_construct(**dict(patient(settings)), goal=goal).model_copy(update={"pool_size": _POOL_SIZE})

    def target(self) -> ConnectionTarget:
        """Return where the schema is."""
        return self.goal

    def direct_target(self) -> ConnectionTarget:
        """Return the same."""
        return self.goal


@asynccontextmanager
async def scratch(settings: DatabaseSettings) -> AsyncIterator[ScratchSettings]:
    """Give settings for an empty schema, and drop it with all that is in it. Raises a `DataAccessError`."""
    schema = f"doctor_{datetime.now(UTC):%Y%m%d%H%M%S}_{secrets.token_hex(4)}"
    scratch_settings = ScratchSettings.of(settings, schema)
    async with Database(scratch_settings) as db:
        try:
            await db.execute(text(f"create schema {schema}"))
            yield scratch_settings
        finally:
            # In a task of its own: who interrupts the doctor does not interrupt this.
            await asyncio.shield(asyncio.ensure_future(db.execute(text(f"drop schema if exists {schema} cascade"))))


async def _left_behind(subject: Subject) -> list[Finding]:
    check, left = "scratch.left", [row["nspname"] for row in await subject.rows(_LEFT)]
    if not left:
        return [ok(check, "nothing was left behind by a doctor that was killed")]
    drop = " ".join(f"drop schema {name} cascade;" for name in left)
    return [warning(check, f"{', '.join(left)}: of a doctor that was killed, or still runs", drop)]


CHECKS: Checks = {"scratch.left": _left_behind}
