"""The statements of the repositories."""

from sqlalchemy import Executable

from app.doctor.plans import statements


def all_statements() -> dict[str, Executable]:
    """Return the statement of every query that a module of `app.repositories` makes, by its name: ``tasks.get``."""
    return statements()
