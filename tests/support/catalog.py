"""The schema of a database as the database itself describes it."""

from sqlalchemy import text

from app.db import Database
from app.doctor.criteria.catalog import DESCRIBE, described


async def describe(db: Database) -> dict[str, str]:
    """Return the objects of the schema ``public``, by kind and name, without Alembic's own table."""
    return described((await db.execute(text(DESCRIBE), {"schema": "public"})).mappings().all())
