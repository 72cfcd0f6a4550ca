"""What the README says is true."""

import re
from pathlib import Path

from tools.settings_tables import SETTINGS, with_tables

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_tables_of_settings_are_of_today() -> None:
    """They show each setting with its default and docstring; if out of date, run `make readme`."""
    assert with_tables(README) == README
    for settings in SETTINGS:
        prefix = settings.model_config["env_prefix"]
        shown = re.findall(rf"^\| `{prefix}(\w+)` \|", README, flags=re.MULTILINE)
        assert shown == [name.upper() for name in settings.model_fields]


def test_the_commands_are_targets_of_the_makefile() -> None:
    """Every `make` that the README names exists."""
    targets = set(re.findall(r"^(\w+):", (Path(__file__).parents[2] / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"\bmake (\w+)", README))
    assert {"demo", "test"} <= named <= targets
