"""What autogenerate compares in addition to Alembic: ownership, triggers, enum types and the texts of checks."""

from typing import Any, Final

from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority

from app.db.migrations.autogenerate.checks import compare_checks
from app.db.migrations.autogenerate.enums import compare_enums
from app.db.migrations.autogenerate.parts import keep_parts
from app.db.migrations.autogenerate.rendering import render_type
from app.db.migrations.autogenerate.stages import split
from app.db.migrations.autogenerate.tables import is_ours
from app.db.migrations.autogenerate.triggers import compare_triggers
from app.db.models import metadata

_PLUGIN: Final = "app.migrations"
_plugin = Plugin(_PLUGIN)
_plugin.add_autogenerate_comparator(compare_enums, "schema", "enums", priority=DispatchPriority.LAST)
_plugin.add_autogenerate_comparator(compare_triggers, "schema", "triggers", priority=DispatchPriority.LAST)
_plugin.add_autogenerate_comparator(compare_checks, "table", "checks")
_plugin.add_autogenerate_comparator(keep_parts, "table", "parts", priority=DispatchPriority.LAST)

OPTIONS: Final[dict[str, Any]] = {
    "target_metadata": metadata,
    "compare_type": True,
    "compare_server_default": True,
    "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname", _PLUGIN],
    "include_name": is_ours,
    "render_item": render_type,
    "process_revision_directives": split,
}
"""Options of every `MigrationContext`, so that `check`, `revision --autogenerate` and the doctor compare alike."""
