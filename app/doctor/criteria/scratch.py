"""The doctor's scratch schema: create it, work in it, and drop it however the work ends."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_settings import SettingsConfigDict
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import Database, DatabaseSettings
from app.db.driver.cancellation import uninterrupted
from app.db.driver.sqlstates import DRIVER_ERRORS, translate_driver
from app.db.engine.factory import create_engine
from app.db.errors import ConfigurationError, DataAccessError, TransientError
from app.db.target.url import ConnectionTarget
from app.doctor.connection.pooling import shares_sessions
from app.doctor.findings import Finding, ok, warning
from app.doctor.subject import Checks, Subject, open_driver, patient

_POOL_SIZE: Final = 5
_COMMAND_SECONDS: Final = 120
# The connection that keeps a schema is named after it: without such a connection, its doctor was killed.
_LEFT: Final = r"""
select nspname as name, exists (select from pg_stat_activity where application_name = cast(nspname as text)) as in_use
from pg_namespace where cast(nspname as text) ~ '^doctor_\d{14}_[0-9a-f]{8}$' order by nspname"""


@dataclass(frozen=True)
class Scratch:
    """An empty schema, and the only ways to reach it: each of their connections is verified to see nothing else."""

    schema: str
    db: Database
    engine: AsyncEngine
    """For migrations."""


class _Settings(DatabaseSettings):
    """The settings for the direct host, where the search_path lasts; it contains only the scratch schema."""

    model_config = SettingsConfigDict(arbitrary_types_allowed=True)

    goal: ConnectionTarget

    @classmethod
    def of(cls, settings: DatabaseSettings, schema: str) -> "_Settings":
        target = settings.direct_target()
        options = f"{target.server_settings.get('options', '')} -c search_path={schema}".strip()
        goal = target.but(server_settings={**target.server_settings, "options": options})
        unhurried = {
            "pool_size": _POOL_SIZE,
            "command_timeout_seconds": _COMMAND_SECONDS,
            "statement_timeout_seconds": None,
            "lock_timeout_seconds": None,
            "sharded": False,  # the functions of a sharded database are not in the schema, and its tables are plain
        }
        return cls.model_construct(**dict(patient(settings)), goal=goal).model_copy(update=unhurried)

    def target(self) -> ConnectionTarget:
        return self.goal

    def direct_target(self) -> ConnectionTarget:
        return self.goal


@asynccontextmanager
async def scratch(settings: DatabaseSettings) -> AsyncIterator[Scratch]:
    """Yield an empty schema, and drop it with its content at the end; also drop those that a killed doctor left.

    Raises a `DataAccessError`, before anything is created if session settings do not last.
    """
    schema = f"doctor_{datetime.now(UTC):%Y%m%d%H%M%S}_{secrets.token_hex(4)}"
    target = settings.direct_target()
    keeper = await _keeper(settings, target, schema)
    try:
        if await shares_sessions(settings, target, keeper):
            raise ConfigurationError(f"{target} is a pooler, not the server itself")
        await _clear_away(keeper)
        await _run(keeper, f"create schema {schema}")
        async with _open(_Settings.of(settings, schema), schema) as place:
            yield place
    finally:
        await uninterrupted(_drop(settings, target, schema))  # not interrupted when the doctor is
        keeper.terminate()


@asynccontextmanager
async def _open(settings: _Settings, schema: str) -> AsyncIterator[Scratch]:
    async with Database(settings) as db:
        db.pool.on_connect.append(_refuse_elsewhere(schema))
        engine = create_engine(settings)
        event.listen(engine.sync_engine, "connect", _refused_by(_refuse_elsewhere(schema)))
        yield Scratch(schema, db, engine)


def _refused_by(look: Any) -> Any:
    return lambda connection, _: connection.run_async(look)


def _refuse_elsewhere(schema: str) -> Any:
    """Return a check for new connections: some poolers silently drop the search_path.

    The work in a scratch schema, done in another schema, would destroy everything there.
    """

    async def look(driver: Any) -> None:
        found = await driver.fetchval("select current_schemas(false)::text")
        if found != f"{{{schema}}}":
            raise ConfigurationError(f"a session that should see only {schema} sees {found}: nothing was changed")

    return look


async def _keeper(settings: DatabaseSettings, target: ConnectionTarget, schema: str) -> Any:
    named = {**target.server_settings, "application_name": schema}
    return await open_driver(settings, target.but(server_settings=named))


async def _clear_away(keeper: Any) -> None:
    for row in await keeper.fetch(_LEFT):
        if not row["in_use"]:
            with suppress(*DRIVER_ERRORS):  # owned by another role: the check below reports it
                await keeper.execute(f"drop schema if exists {row['name']} cascade")


async def _run(driver: Any, statement: str) -> None:
    try:
        await driver.execute(statement)
    except DRIVER_ERRORS as problem:
        raise translate_driver(problem, lost=TransientError) from problem


async def _drop(settings: DatabaseSettings, target: ConnectionTarget, schema: str) -> None:
    with suppress(DataAccessError):  # the check below reports it
        driver = await open_driver(settings, target)
        try:
            await _run(driver, f"drop schema if exists {schema} cascade")
        finally:
            driver.terminate()


async def _left_behind(subject: Subject) -> list[Finding]:
    check, left = "scratch.left", [row["name"] for row in await subject.rows(_LEFT) if not row["in_use"]]
    if not left:
        return [ok(check, "no schema was left behind by a killed doctor")]
    drop = " ".join(f"drop schema {name} cascade;" for name in left)
    return [
        warning(
            check,
            f"{', '.join(left)}: left behind by a killed doctor",
            f"The next --write drops it. To drop it now: {drop}",
        )
    ]


CHECKS: Checks = {"scratch.left": _left_behind}
