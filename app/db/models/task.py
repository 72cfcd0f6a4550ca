"""A task that a person keeps."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import StrictBool, StringConstraints
from sqlalchemy import CheckConstraint, Column, Index, String, false
from sqlmodel import Field, SQLModel

from app.db.annotations import Mapped
from app.db.models.base import (
    MAPPER_ARGUMENTS,
    Changed,
    InputModel,
    NotBlank,
    ReadModel,
    Storable,
    idempotency_key,
    newest_first,
    owner,
    owner_not_empty,
    row_id,
    set_by_database,
)
from app.db.models.blank import VISIBLE

Title = Annotated[str, StringConstraints(min_length=1, max_length=200), Storable, NotBlank]
Description = Annotated[str, StringConstraints(max_length=1000), Storable]


class Task(SQLModel, table=True):
    """The table ``task``."""

    __tablename__: ClassVar[Any] = "task"
    __table_args__ = (
        owner_not_empty(),
        CheckConstraint(f"cast(title as text) ~ '{VISIBLE}'", name="title_visible"),
        Index("ix_task_user_id_id", "user_id", newest_first()),
        Index("ix_task_user_id_completed_id", "user_id", "completed", newest_first()),
        *idempotency_key(digest=True),
    )
    __mapper_args__: ClassVar[dict[str, Any]] = MAPPER_ARGUMENTS

    id: Mapped[int | None] = row_id()
    user_id: Mapped[str] = owner()
    title: Mapped[str] = Field(sa_column=Column(String(200), nullable=False))
    description: Mapped[str | None] = Field(default=None, sa_column=Column(String(1000)))
    completed: Mapped[bool] = Field(default=False, sa_column_kwargs={"server_default": false()})
    created_at: Mapped[datetime] = set_by_database()
    updated_at: Mapped[datetime] = set_by_database(on_update=True)


class TaskCreate(InputModel):
    """A new task; its title is not blank and has at most 200 characters."""

    title: Title
    description: Description | None = None
    completed: StrictBool = False


class TaskUpdate(InputModel):
    """The fields to change; what is left out stays. Only the description can be set to null."""

    title: Changed[Title] = None
    description: Description | None = None
    completed: Changed[StrictBool] = None


class TaskRead(ReadModel):
    """A task as it is stored."""

    id: int
    user_id: str
    title: str
    description: str | None
    completed: bool
    created_at: datetime
    updated_at: datetime
