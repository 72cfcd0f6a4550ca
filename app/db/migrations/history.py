"""The revisions of this code."""

from io import StringIO

from alembic.config import Config
from alembic.script import ScriptDirectory

from app.db.errors import ConfigurationError
from app.db.revisions import INI_FILES


def own_config() -> Config:
    """Return this code's Alembic configuration, from any working directory; raises `ConfigurationError`."""
    ini = next((path for path in INI_FILES if path.exists()), None)
    if ini is None:
        raise ConfigurationError(
            f"no revisions: neither {INI_FILES[0]} nor {INI_FILES[1]} exists; install the wheel, or copy both"
        )
    config = Config(ini, stdout=StringIO())
    config.remove_main_option("prepend_sys_path")  # for the command line; here each command would add it again
    return config


def known_revisions() -> list[str]:
    """Return every revision that this code knows, newest (head) first; raises `ConfigurationError`."""
    return [script.revision for script in ScriptDirectory.from_config(own_config()).walk_revisions()]
