"""The connection: settings, engine, sessions, errors, migrations, and the tables."""

from app.db.database import Database
from app.db.target.settings import DatabaseSettings

__all__ = ["Database", "DatabaseSettings"]
