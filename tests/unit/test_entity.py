"""What an entity derives from its model, and what it refuses at its declaration."""

from datetime import timedelta
from enum import Enum
from itertools import count
from typing import Any, ClassVar

import pytest
from sqlalchemy import ARRAY, Column, Index, Interval, MetaData, Table, Text, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from app.db.engine.compiled import compiled
from app.db.models import Task
from app.db.models.base import InputModel, ReadModel, table_of
from app.db.query import Query, WhenLost
from app.repositories import ConversationRepo, Entity, MessageRepo, Repository, TaskRepo, Usual, entities, queries
from app.repositories.entity import plural
from app.repositories.registry import repositories

TASK = table_of(Task)
NUMBERS = count()  # names are unique in the process


class _Read(ReadModel):
    id: int
    data: str


class _Lasting(ReadModel):
    id: int
    data: timedelta


class _LastingCreate(InputModel):
    data: timedelta


class _Create(InputModel):
    data: str


def _model(*columns: Any) -> type[SQLModel]:
    """Return what an entity needs of a model, without a class that SQLModel would register globally."""

    class Model:
        __table__: ClassVar[Table] = Table(f"thing_{next(NUMBERS)}", MetaData(), *columns)

    return Model  # type: ignore[return-value]  # its table is all that is read


def _columns(data: Any, *more: Any) -> list[Any]:
    return [Column("id", TASK.c.id.type, primary_key=True), Column("user_id", Text), data, *more]


def test_every_table_has_its_entity() -> None:
    """Entities are found by walking the modules; there is no list."""
    assert entities().keys() == {repository.entity.table.name for repository in repositories()}
    assert set(entities()) == set(Task.metadata.tables)


def test_a_query_made_elsewhere_disturbs_no_walk() -> None:
    """It runs like any other, and belongs to no repository."""
    query = Query("elsewhere.get", select(TASK.c.id), int)
    assert query.name not in queries()
    with pytest.raises(ValueError, match=r"elsewhere.get exists already"):
        Query(query.name, select(TASK.c.id), int)


def test_a_repositorys_own_query_is_found() -> None:
    """Every query that an entity makes is one of `queries`."""
    assert {name for name in queries() if name.startswith("tasks.")} == set(TaskRepo.entity.queries)


@pytest.mark.parametrize(
    ("statement", "outcome"),
    [
        (select(TASK.c.id), WhenLost.NOT_DONE),
        (select(func.count()).select_from(select(TASK.c.id).cte()), WhenLost.NOT_DONE),
        (insert(TASK).returning(TASK.c.id), WhenLost.UNKNOWN),
        (update(TASK).values(title="x"), WhenLost.UNKNOWN),
        (select(delete(TASK).returning(TASK.c.id).cte().c.id), WhenLost.UNKNOWN),
        (text("select 1"), WhenLost.UNKNOWN),
        (text("delete from task returning id").columns(id=TASK.c.id.type), WhenLost.UNKNOWN),
    ],
    ids=["select", "with a CTE", "insert", "update", "select that deletes", "text", "text with columns"],
)
def test_what_a_lost_connection_means_follows_from_the_statement(statement: Any, outcome: Enum) -> None:
    """A SELECT that changes nothing can be retried; the outcome of everything else is unknown."""
    assert Query(f"lost.{next(NUMBERS)}", statement, int).when_lost is outcome


def test_a_column_that_needs_conversion_is_refused_by_name() -> None:
    """Values go to asyncpg without conversion, so the error comes at the declaration, not in production."""
    entity: Entity[Any] = Entity(_model(*_columns(Column("data", JSONB))), _Read)
    with pytest.raises(TypeError, match=r"data: a value of JSONB\(.*needs to be converted"):
        Usual(entity, create=_Create)


def test_a_column_may_hold_a_duration() -> None:
    """SQLModel makes an `Interval` of a timedelta; it is sent and read as it is."""
    entity: Entity[Any] = Entity(_model(*_columns(Column("data", Interval))), _Lasting)
    usual = Usual(entity, create=_LastingCreate)
    assert "AS INTERVAL) AS data" in compiled(usual.get).sql
    assert compiled(usual.create).arguments({"p_user_id": "ada", "p_data": timedelta(1)}) == ["ada", timedelta(1)]


class _Listing(ReadModel):
    id: int
    data: list[str]


class _ListingCreate(InputModel):
    data: list[str]


def test_a_column_may_hold_a_list() -> None:
    """The driver takes and gives lists as they are; a page of them needs a budget, however short each item may be."""
    entity: Entity[Any] = Entity(_model(*_columns(Column("data", ARRAY(Text)))), _Listing)
    usual = Usual(entity, create=_ListingCreate)
    assert "AS TEXT[]) AS data" in compiled(usual.get).sql
    assert compiled(usual.create).arguments({"p_user_id": "ada", "p_data": ["x"]}) == ["ada", ["x"]]
    assert "Slice" in str(usual.pages[None].row)


@pytest.mark.parametrize(
    ("noun", "expected"),
    [("task", "tasks"), ("category", "categories"), ("day", "days"), ("address", "addresses"), ("branch", "branches")],
)
def test_queries_are_named_by_the_right_plural(noun: str, expected: str) -> None:
    """They are names for people: of telemetry, the slow log and the doctor."""
    assert plural(noun) == expected


def test_a_key_without_a_digest_is_refused() -> None:
    """Without one, a repeat could not be distinguished from a conflict once the row has changed."""
    keys = [Column("idempotency_key", TASK.c.idempotency_key.type), Index(None, "idempotency_key")]
    entity: Entity[Any] = Entity(_model(*_columns(Column("data", Text), *keys)), _Read)
    with pytest.raises(TypeError, match=r"need idempotency_key\(digest=True\)"):
        Usual(entity, create=_Create)


def test_an_unknown_filter_is_refused() -> None:
    """The error names the column that the table does not have."""
    with pytest.raises(KeyError, match="urgent"):
        Usual(Entity(_model(*_columns(Column("data", Text))), _Read), filters=["urgent"])


def test_a_page_of_long_texts_ends_at_a_budget() -> None:
    """The columns' lengths decide: messages need a budget, tasks and conversations do not."""
    appends = {f"append{once}_with_{what}" for once in ("", "_once") for what in ("history", "context")}
    ours: dict[type[Repository[Any]], set[str]] = {
        MessageRepo: {"after", "before", *appends},
        TaskRepo: set(),
        ConversationRepo: set(),
    }
    for repository, expected in ours.items():
        found = {name for name, query in repository.entity.queries.items() if "Slice" in str(query.row)}
        assert found == {f"messages.{name}" for name in expected}
