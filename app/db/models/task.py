"""A task that a person keeps."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field as PydanticField
from pydantic import StrictBool, StringConstraints, field_validator
from sqlalchemy import CheckConstraint, Column, Index, LargeBinary, String, false
from sqlmodel import Field, SQLModel

from app.db.annotations import Mapped
from app.db.models.base import (
    NOT_MAPPED,
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

    __tablename__: ClassVar[str] = "task"
    __table_args__ = (
        owner_not_empty(),
        CheckConstraint(f"title ~ '{VISIBLE}'", name="title_visible"),
        Index("ix_task_user_id_id", "user_id", newest_first()),
        Index("ix_task_user_id_completed_id", "user_id", "completed", newest_first()),
        *idempotency_key(),
        Column("idempotency_digest", LargeBinary),  # of what was sent with the key: the row may have changed since
    )
    __mapper_args__: ClassVar[dict[str, Any]] = {"eager_defaults": True, "exclude_properties": NOT_MAPPED}

    id: Mapped[int | None] = row_id()
    user_id: Mapped[str] = owner()
    title: Mapped[str] = Field(sa_column=Column(String(200), nullable=False))
    description: Mapped[str | None] = Field(default=None, sa_column=Column(String(1000)))
    completed: Mapped[bool] = Field(default=False, sa_column_kwargs={"server_default": false()})
    created_at: Mapped[datetime] = set_by_database()
    updated_at: Mapped[datetime] = set_by_database(on_update=True)


class TaskCreate(InputModel):
    """A new task: a title of 1 to 200 characters that is not blank, a description of at most 1000."""

    title: Title
    description: Description | None = None
    completed: StrictBool = False


def _without_null(schema: dict[str, Any]) -> None:
    """Document a field as `TaskUpdate` takes it: left out, or a value."""
    (value,) = (one for one in schema.pop("anyOf") if one != {"type": "null"})
    schema.update(value)


class TaskUpdate(InputModel):
    """The fields to change; what is left out stays. Only the description can be set to null."""

    title: Title | None = PydanticField(default=None, json_schema_extra=_without_null)
    description: Description | None = None
    completed: StrictBool | None = PydanticField(default=None, json_schema_extra=_without_null)

    @field_validator("title", "completed")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("may be left out but must not be null")
        return value


class TaskRead(ReadModel):
    """A task as it is stored."""

    id: int
    user_id: str
    title: str
    description: str | None
    completed: bool
    created_at: datetime
    updated_at: datetime
