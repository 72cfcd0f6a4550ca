"""The revisions that this code carries, and the table in which a database keeps its own."""

from io import StringIO
from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.script import ScriptDirectory

from app.db.errors import ConfigurationError

_APP: Final = Path(__file__).parents[2]
_INI: Final = (_APP / "_alembic" / "alembic.ini", _APP.parent / "alembic.ini")  # of a wheel, of a checkout
_VERSION_TABLE: Final = "alembic_version"


def own_config() -> Config:
    """Return Alembic's configuration of this code, from any working directory; raises `ConfigurationError`."""
    ini = next((path for path in _INI if path.exists()), None)
    if ini is None:
        raise ConfigurationError(
            f"no revisions: neither {_INI[0]} nor {_INI[1]} is there; install the wheel, or copy both"
        )
    return Config(ini, stdout=StringIO())


def known_revisions() -> list[str]:
    """Return every revision that this code knows, the newest (head) first; raises `ConfigurationError`."""
    return [script.revision for script in ScriptDirectory.from_config(own_config()).walk_revisions()]


def version_table(config: Config | None = None) -> str:
    """Return the table that keeps a database's revision: ``version_table`` in alembic.ini.

    Applications that share a schema have one each.
    """
    return (config or own_config()).get_main_option("version_table", _VERSION_TABLE)
