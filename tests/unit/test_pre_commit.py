"""The pre-commit hooks are a part of `make check`."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_each_hook_is_a_line_of_make_check() -> None:
    """So a commit is never refused for something that the check accepts, and tool versions are the same."""
    check = (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0].replace("$(BIN)", ".venv/bin")
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["entry"].partition(" --")[0] in check, hook["id"]
