"""The statements of the repositories."""

from sqlalchemy import Executable

from app.repositories import queries


def all_statements() -> dict[str, Executable]:
    """Return the statement of every query of the repositories by its name: ``tasks.get``."""
    return {name: query.statement for name, query in queries().items()}
