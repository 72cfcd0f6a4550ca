"""A reminder that belongs to a conversation, with columns of many types; a test adds it to a copy of the project."""

from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, StrictBool, StringConstraints
from pydantic import Field as Bounds
from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Numeric,
    String,
    Text,
    false,
)
from sqlmodel import Field, SQLModel

from app.db.annotations import Mapped
from app.db.models.base import (
    MAPPER_ARGUMENTS,
    Changed,
    InputModel,
    NotANumber,
    NotBlank,
    ReadModel,
    RowId,
    Storable,
    idempotency_key,
    newest_first,
    one_of,
    owner,
    owner_not_empty,
    row_id,
    set_by_database,
)

Subject = Annotated[str, StringConstraints(min_length=1, max_length=100), Storable, NotBlank]
When = Annotated[AwareDatetime, NotANumber]
Amount = Annotated[Decimal, Bounds(ge=0, max_digits=10, decimal_places=2)]
Tries = Annotated[int, Bounds(ge=0, le=10)]
Picture = Annotated[bytes, Bounds(max_length=1000)]
Code = Annotated[str, StringConstraints(pattern="^[A-Z]{3}$"), Bounds(examples=["ABC", "XYZ"])]


class Repeat(StrEnum):
    """How often; the labels are awkward on purpose."""

    NEVER = "it's never"
    DAILY = "every day: 1x"
    QUOTED = 'a "quoted" \\ one'
    UNICODE = "täglich \N{ALARM CLOCK}"
    PERCENT = "100%(x)s"


class Reminder(SQLModel, table=True):
    """The table ``reminder``."""

    __tablename__: ClassVar[Any] = "reminder"
    __table_args__ = (
        owner_not_empty(),
        CheckConstraint("cast(code as text) not like '%:x%'", name="code_plain"),
        ForeignKeyConstraint(
            ["user_id", "conversation_id"], ["conversation.user_id", "conversation.id"], ondelete="CASCADE"
        ),
        Index(None, "conversation_id", "user_id", newest_first()),
        Index("ix_reminder_user_id_id", "user_id", newest_first()),
        Index("ix_reminder_user_id_silent_id", "user_id", "silent", newest_first()),
        *idempotency_key(digest=True),
    )
    __mapper_args__: ClassVar[dict[str, Any]] = MAPPER_ARGUMENTS

    id: Mapped[int | None] = row_id()
    user_id: Mapped[str] = owner()
    conversation_id: Mapped[int] = Field(sa_column=Column(BigInteger, nullable=False))
    subject: Mapped[str] = Field(sa_column=Column(String(100), nullable=False))
    due_at: Mapped[datetime] = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    repeat: Mapped[Repeat] = Field(
        sa_column=Column(one_of(Repeat, name="repeat"), nullable=False, server_default=Repeat.NEVER.value)
    )
    then: Mapped[Repeat | None] = Field(default=None, sa_column=Column(one_of(Repeat, name="repeat")))
    amount: Mapped[Decimal] = Field(sa_column=Column(Numeric(10, 2), nullable=False, server_default="0"))
    snooze: Mapped[timedelta | None] = Field(default=None)
    at: Mapped[time | None] = Field(default=None)
    tries: Mapped[int] = Field(sa_column_kwargs={"server_default": "3"})
    labels: Mapped[list[str]] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    picture: Mapped[bytes] = Field(sa_column=Column(LargeBinary, nullable=False))
    code: Mapped[str] = Field(sa_column=Column(String(3), nullable=False))
    external: Mapped[UUID | None] = Field(default=None)
    silent: Mapped[bool] = Field(default=False, sa_column_kwargs={"server_default": false()})
    created_at: Mapped[datetime] = set_by_database()
    updated_at: Mapped[datetime] = set_by_database(on_update=True)


class ReminderCreate(InputModel):
    """A new reminder."""

    conversation_id: RowId
    subject: Subject
    due_at: When
    repeat: Repeat = Repeat.NEVER
    then: Repeat | None = None
    amount: Amount = Decimal(0)
    snooze: timedelta | None = None
    at: time | None = None
    tries: Tries = 3
    labels: list[Annotated[str, Storable]]
    picture: Picture
    code: Code
    external: UUID | None = None
    silent: StrictBool = False


class ReminderUpdate(InputModel):
    """The fields to change; what is left out stays."""

    subject: Changed[Subject] = None
    due_at: Changed[When] = None
    repeat: Changed[Repeat] = None
    then: Repeat | None = None
    amount: Changed[Amount] = None
    snooze: timedelta | None = None
    at: time | None = None
    tries: Changed[Tries] = None
    labels: Changed[list[Annotated[str, Storable]]] = None
    picture: Changed[Picture] = None
    code: Changed[Code] = None
    external: UUID | None = None
    silent: Changed[StrictBool] = None


class ReminderRead(ReadModel):
    """A reminder as it is stored."""

    id: int
    user_id: str
    conversation_id: int
    subject: str
    due_at: datetime
    repeat: Repeat
    then: Repeat | None
    amount: Decimal
    snooze: timedelta | None
    at: time | None
    tries: int
    labels: list[str]
    picture: bytes
    code: str
    external: UUID | None
    silent: bool
    created_at: datetime
    updated_at: datetime
