"""Write the tables of settings in README.md from the settings and their docstrings."""

import ast
import inspect
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic_settings import BaseSettings

from app.api import ApiSettings
from app.db import DatabaseSettings

README: Final = Path(__file__).parents[1] / "README.md"
SETTINGS: Final = (DatabaseSettings, ApiSettings)
_HEAD: Final = "| variable | default | what it is |\n|---|---|---|\n"


def with_tables(page: str) -> str:
    """Return the page with each table rewritten; the prefix of its variables identifies a table's settings."""
    for settings in SETTINGS:
        prefix = settings.model_config["env_prefix"]
        table = re.search(rf"{re.escape(_HEAD)}(\| `{prefix}\w+` \|.*\n)+", page)
        assert table, f"README.md has no table of {prefix}..."
        page = page.replace(table[0], _table(settings))
    return page


def _table(settings: type[BaseSettings]) -> str:
    prefix, texts = settings.model_config["env_prefix"], _texts(settings)
    rows = (
        f"| `{prefix}{name.upper()}` | {_default(settings, name)} | {texts[name]} |\n" for name in settings.model_fields
    )
    return _HEAD + "".join(rows)


def _default(settings: type[BaseSettings], name: str) -> str:
    field = settings.model_fields[name]
    if field.is_required():
        return "required"
    return getattr(field.default, "__name__", "none" if field.default in (None, ()) else str(field.default))


def _texts(settings: type[BaseSettings]) -> Mapping[str, str]:
    """Return the docstring of each field, on one line."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: " ".join(text.value.value.split()).replace("``", "`")
        for field, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
