"""How a database differs from the models: one comparison for `alembic check`, the doctor and the tests."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from alembic.autogenerate import produce_migrations
from alembic.operations import MigrateOperation
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import SAWarning

from app.db.migrations.autogenerate import OPTIONS
from app.db.migrations.autogenerate.stages import flat
from app.db.migrations.autogenerate.words import in_words
from app.db.migrations.operations.base import CHANGED, EXTRA, MISSING, sql_of
from app.db.models import metadata


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between the database and the models."""

    kind: str
    """``table``, ``column``, ``index``, ``check``, ``foreign key``, ``trigger``, ``function``, ``enum``, ..."""
    table: str | None
    name: str
    state: str
    """``missing``, ``not in the models``, or how it differs."""
    remedy: str
    """The statements that make the database match the models."""

    @property
    def what(self) -> str:
        """Return the difference in words."""
        of = f" of {self.table}" if self.table and self.kind != "table" else ""
        return f"the {self.kind} {self.name}{of} is {self.state}"

    @property
    def is_missing(self) -> bool:
        """Return whether the database lacks the object."""
        return self.state.startswith(MISSING)

    @property
    def is_extra(self) -> bool:
        """Return whether the object is only in the database: the remedy removes it."""
        return self.state == EXTRA


def differences(connection: Connection) -> list[Difference]:
    """Return how our tables, types and triggers differ from the models; reads only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # a NOT VALID constraint causes a warning but is no difference
        script = produce_migrations(MigrationContext.configure(connection, opts=OPTIONS), metadata)
    assert script.upgrade_ops is not None
    return list(_merged(map(_difference, flat(script.upgrade_ops))))


def _difference(operation: MigrateOperation) -> Difference:
    words, sql = in_words(operation), sql_of(operation)
    if words.kind == "index":
        sql = sql.replace(" INDEX ", " INDEX CONCURRENTLY ", 1)
    return Difference(words.kind, words.table, words.name, words.state, sql)


def _merged(found: Iterable[Difference]) -> Iterator[Difference]:
    """Yield an object that is removed and added under one name as one difference."""
    seen: dict[tuple[str, str | None, str], Difference] = {}
    for each in found:
        key = (each.kind, each.table, each.name)
        if key in seen:
            remedy = f"{seen[key].remedy}\n{each.remedy}"
            seen[key] = replace(each, state=CHANGED, remedy=remedy)
        else:
            seen[key] = each
    yield from seen.values()
