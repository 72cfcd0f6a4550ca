"""The revisions that this code carries, read without Alembic: where an error says which one the database needs."""

import re
from collections.abc import Sequence
from configparser import ConfigParser
from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import Select, column, select, table

_APP: Final = Path(__file__).parents[1]
INI_FILES: Final = (_APP / "_alembic" / "alembic.ini", _APP.parent / "alembic.ini")
"""Of a wheel and of a checkout; the revisions are beside it."""
DEFAULT_VERSION_TABLE: Final = "alembic_version"
NO_SUCH_TABLE: Final = "42P01"
SCHEMA_ERRORS: Final = frozenset({NO_SUCH_TABLE, "42P10", "42703", "42704", "42883"})
"""What the server says of a table, key, column, type or function that is not there."""
_REVISION: Final = r"(?m)^(down_)?revision\b[^=\n]*= *(.*)$"


@cache
def version_table_name() -> str:
    """Return the table in which a database of this code keeps its revision: ``version_table`` in alembic.ini.

    Applications that share a schema need one each.
    """
    parser = ConfigParser(interpolation=None)
    parser.read(INI_FILES)
    return parser.get("alembic", "version_table", fallback=DEFAULT_VERSION_TABLE)


def recorded_revisions() -> Select[tuple[str]]:
    """Return the query for the revisions that the version table holds."""
    return select(column("version_num")).select_from(table(version_table_name()))


@cache
def revision_parents() -> dict[str, str]:
    """Return each revision with what it follows, as it is written."""
    parents = {}
    for file in (path for ini in INI_FILES for path in (ini.parent / "alembic" / "versions").glob("*.py")):
        found = {prefix: value.strip() for prefix, value in re.findall(_REVISION, file.read_text())}
        parents[found[""].strip("\"'")] = found.get("down_", "")
    return parents


def explain_schema_error(revisions: Sequence[str]) -> str:
    """Return what the database is at and what this code needs, for an error of a table or column that is not there.

    `revisions` are those that the version table holds.
    """
    parents = revision_parents()
    heads = sorted(name for name in parents if not any(name in before for before in parents.values()))
    needs = f"this code needs {', '.join(heads)}"
    if not revisions:
        return f"The database was never migrated, {needs}: run python -m app migrate"
    at = f"The database is at {', '.join(revisions)}"
    if sorted(revisions) == heads:
        return f"{at}, as this code needs, but its schema differs: run python -m app doctor"
    if not set(revisions) <= parents.keys():
        return f"{at}, a revision of newer code, {needs}: deploy the newer code"
    return f"{at}, {needs}; an older backup was restored, or no migration ran: run python -m app migrate"
