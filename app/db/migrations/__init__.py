"""Migrations: run, lock, steps, concurrent indexes."""

from app.db.migrations.commands import (
    check,
    current,
    downgrade,
    known_revisions,
    run_offline,
    run_online,
    upgrade,
)
from app.db.migrations.indexes import create_index_concurrently, drop_index_concurrently
from app.db.migrations.lock import MIGRATION_LOCK_KEY
from app.db.migrations.steps import differences, heads_of

__all__ = [
    "MIGRATION_LOCK_KEY",
    "check",
    "create_index_concurrently",
    "current",
    "differences",
    "downgrade",
    "drop_index_concurrently",
    "heads_of",
    "known_revisions",
    "run_offline",
    "run_online",
    "upgrade",
]
