"""The statements of the repositories, and those over everything that a user has."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Executable

from app.db.query import Query
from app.repositories import queries
from app.userdata.statements import deletion, extent, ids, insertion, page
from app.userdata.tables import user_tables


def all_statements() -> dict[str, Executable]:
    """Return the statement of every query of the repositories by its name: ``tasks.get``."""
    return {name: query.statement for name, query in queries().items()}


def user_data_queries() -> Iterator[Query[Any]]:
    """Yield the queries that export, import and erase a user."""
    yield extent()
    for each in user_tables():
        yield from (page(each), ids(each), insertion(each), deletion(each))
