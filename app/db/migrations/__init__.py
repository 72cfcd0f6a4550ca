"""Migrations: commands, the lock, the steps and concurrent indexes."""

from app.db.migrations.commands import check, current, downgrade, upgrade
from app.db.migrations.differences import Difference, differences
from app.db.migrations.environment import run_offline, run_online
from app.db.migrations.history import known_revisions
from app.db.migrations.lock import MIGRATION_LOCK_KEY
from app.db.migrations.log import log_steps_only
from app.db.migrations.operations.enums import add_enum_value, create_enum, drop_enum, replace_enum
from app.db.migrations.operations.indexes import create_index_concurrently, drop_index_concurrently
from app.db.migrations.operations.triggers import (
    create_updated_at_trigger,
    drop_updated_at_function,
    drop_updated_at_trigger,
)
from app.db.migrations.sequences import SequenceBehind, sequences_behind, step_sequences
from app.db.migrations.version import heads_of

__all__ = [
    "MIGRATION_LOCK_KEY",
    "Difference",
    "SequenceBehind",
    "add_enum_value",
    "check",
    "create_enum",
    "create_index_concurrently",
    "create_updated_at_trigger",
    "current",
    "differences",
    "downgrade",
    "drop_enum",
    "drop_index_concurrently",
    "drop_updated_at_function",
    "drop_updated_at_trigger",
    "heads_of",
    "known_revisions",
    "log_steps_only",
    "replace_enum",
    "run_offline",
    "run_online",
    "sequences_behind",
    "step_sequences",
    "upgrade",
]
