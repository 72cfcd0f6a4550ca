"""The schema of a database as the database itself describes it."""

from sqlalchemy import text

from app.db import Database
from app.doctor.catalog import DESCRIBE, described


async def describe(db: Database) -> dict[str, str]:
    """Return what there is in the schema ``public``, by kind and name; Alembic's own table is left out."""
    return described((await db.execute(text(DESCRIBE), {"schema": "public"})).mappings().all())
