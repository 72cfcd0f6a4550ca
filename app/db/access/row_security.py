"""Row-level security: a second defence that refuses even a statement without the user in its predicate."""

from functools import partial
from typing import Final

from app.db.driver.retry import until_unlocked
from app.db.errors import ConfigurationError
from app.db.migrations.connection import directly_connected, limit_lock_waits
from app.db.migrations.refusals import translating_with_remedies
from app.db.models.base import owned_tables
from app.db.target.settings import DatabaseSettings

POLICY: Final = "own_rows"
OWN: Final = "cast(user_id as text) = current_setting('app.user_id', true)"
"""What the policy asks of each row; a user that is not set owns none."""


async def switch_on(settings: DatabaseSettings) -> list[str]:
    """Guard each table, those that have the policy already included, and return the statements that did it.

    Run it as the owner, and again after a migration that adds a table. Raises `ConfigurationError` where the settings
    do not have the application set its user: it would see no row.
    """
    if not settings.row_level_security:
        raise ConfigurationError(
            "the application would see no row: deploy it with DATABASE_ROW_LEVEL_SECURITY=true, set it here too, "
            "and run this again"
        )
    return await _run(settings, [each for table in owned_tables() for each in _guard(str(table))])


async def switch_off(settings: DatabaseSettings) -> list[str]:
    """Take the guard from each table, and return the statements that did it."""
    return await _run(settings, [each for table in owned_tables() for each in _release(str(table))])


def _guard(table: str) -> list[str]:
    return [
        f"drop policy if exists {POLICY} on {table}",
        f"create policy {POLICY} on {table} using ({OWN}) with check ({OWN})",
        f"alter table {table} enable row level security, force row level security",
    ]


def _release(table: str) -> list[str]:
    return [
        f"alter table {table} no force row level security, disable row level security",
        f"drop policy if exists {POLICY} on {table}",
    ]


async def _run(settings: DatabaseSettings, statements: list[str]) -> list[str]:
    await until_unlocked(partial(_run_once, settings, statements), seconds=settings.migration_wait_seconds)
    return statements


async def _run_once(settings: DatabaseSettings, statements: list[str]) -> None:
    """Run all or none; what holds a lock on a table keeps it for no longer than `migration_lock_timeout_seconds`."""
    with translating_with_remedies(settings):
        async with directly_connected(settings) as connection, connection.begin():
            await limit_lock_waits(connection, settings)
            for statement in statements:
                await connection.exec_driver_sql(statement)
