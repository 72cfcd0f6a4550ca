"""What the README says is so."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from app.api import ApiSettings
from app.db import DatabaseSettings

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.mark.parametrize("settings", [DatabaseSettings, ApiSettings])
def test_the_table_of_settings_is_complete(settings: type[BaseSettings]) -> None:
    """Each setting stands in the table by its variable, with its default, and none that does not exist."""
    prefix, fields = settings.model_config["env_prefix"], settings.model_fields
    rows = dict(re.findall(rf"^\| `({prefix}\w+)` \| (.*?) \|", README, flags=re.MULTILINE))
    assert set(rows) == {f"{prefix}{name.upper()}" for name in fields}
    for name, field in fields.items():
        default = getattr(field.default, "__name__", str(field.default))
        assert rows[f"{prefix}{name.upper()}"] == ("required" if field.is_required() else default), name


def test_the_commands_are_targets_of_the_makefile() -> None:
    """Every `make` that the README names exists."""
    targets = set(re.findall(r"^(\w+):", (Path(__file__).parents[2] / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"\bmake (\w+)", README))
    assert {"demo", "test"} <= named <= targets
