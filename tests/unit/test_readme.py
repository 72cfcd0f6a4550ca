"""What the README says is so."""

import re
from pathlib import Path

from app.db import DatabaseSettings

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_table_of_settings_is_complete() -> None:
    """Each setting stands in the table by its variable, with its default, and none that does not exist."""
    rows = dict(re.findall(r"^\| `(DATABASE_\w+)` \| (.*?) \|", README, flags=re.MULTILINE))
    fields = DatabaseSettings.model_fields
    assert set(rows) == {f"DATABASE_{name.upper()}" for name in fields}
    for name, field in fields.items():
        shown = rows[f"DATABASE_{name.upper()}"]
        assert shown == ("required" if field.is_required() else str(field.default)), name


def test_the_commands_are_targets_of_the_makefile() -> None:
    """Every `make` that the README names exists."""
    targets = set(re.findall(r"^(\w+):", (Path(__file__).parents[2] / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"\bmake (\w+)", README))
    assert {"demo", "test"} <= named <= targets
