"""Every entity and every query of the repositories, found in the modules of `app.repositories`."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.db.query import Query, Routine
from app.repositories.entity import Entity
from app.repositories.repository import Repository


def repositories() -> list[type[Repository[Any]]]:
    """Return the classes of the repositories, by the names of their modules."""
    return [
        value
        for module in _modules()
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Repository)
        and value is not Repository
        and value.__module__ == module.__name__
    ]


def entities() -> dict[str, Entity[Any]]:
    """Return each entity that has a repository by the name of its table."""
    return {repository.entity.table.name: repository.entity for repository in repositories()}


def queries() -> dict[str, Query[Any]]:
    """Return each query by its name: those of the entities, and those that a module holds besides."""
    ours = {name: query for entity in entities().values() for name, query in entity.queries.items()}
    values = (value for module in _modules() for value in vars(module).values())
    return ours | {value.name: value for value in values if isinstance(value, Query)}


def routines() -> list[Routine]:
    """Return the functions that a database sharded by user has for the queries."""
    return [query.routine for query in queries().values() if query.routine]


def _modules() -> Iterator[Any]:
    folder = Path(__file__).parent
    for file in sorted(folder.rglob("*.py")):
        name = ".".join((__package__, *file.relative_to(folder).with_suffix("").parts))
        yield importlib.import_module(name.removesuffix(".__init__"))
