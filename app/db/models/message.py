"""A message of a conversation."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator
from sqlalchemy import BigInteger, CheckConstraint, Column, Enum, ForeignKeyConstraint, Index, Text
from sqlmodel import Field, Relationship, SQLModel

from app.db.annotations import Accepts, Mapped
from app.db.models.base import (
    NOT_MAPPED,
    InputModel,
    ReadModel,
    Storable,
    idempotency_key,
    newest_first,
    owner,
    owner_not_empty,
    row_id,
    set_by_database,
)
from app.db.models.conversation import Conversation

# FAULTS: 100 MB took 2 s and 764 MB of memory, 1.1 GB ended the connection in a way that looks worth a retry.
CONTENT_LIMIT_BYTES: Final = 100_000_000
_BYTES_PER_CHARACTER: Final = 4


class Role(StrEnum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"


def _within_one_value(content: str) -> str:
    surely_fits = len(content) * _BYTES_PER_CHARACTER < CONTENT_LIMIT_BYTES
    if not surely_fits and len(content.encode()) >= CONTENT_LIMIT_BYTES:
        raise ValueError(f"must be shorter than {CONTENT_LIMIT_BYTES:,} bytes")
    return content


class Message(SQLModel, table=True):
    """The table ``message``; its foreign key holds the user too: none can be in another user's conversation.

    A session may add one, but only `MessageRepo` appends: it waits for its turn, so that who polls misses none.
    """

    __tablename__: ClassVar[str] = "message"
    __table_args__ = (
        owner_not_empty(),
        CheckConstraint("role in ('user', 'assistant')", name="role_known"),
        ForeignKeyConstraint(
            ["user_id", "conversation_id"], ["conversation.user_id", "conversation.id"], ondelete="CASCADE"
        ),
        # Three columns: with two the planner reads the whole conversation for a page (DESIGN, Schema).
        Index("ix_message_conversation_id_user_id_id", "conversation_id", "user_id", newest_first()),
        Index(None, "user_id", "id"),
        *idempotency_key(),
    )
    __mapper_args__: ClassVar[dict[str, Any]] = {"eager_defaults": True, "exclude_properties": NOT_MAPPED}

    id: Mapped[int | None] = row_id()
    user_id: Mapped[str] = owner()
    conversation_id: Mapped[int] = Field(  # None until the flush, where it is set through `conversation`
        default=None, sa_column=Column(BigInteger, nullable=False)
    )
    role: Mapped[Role] = Field(
        sa_column=Column(
            Enum(Role, native_enum=False, length=16, values_callable=lambda roles: [role.value for role in roles]),
            nullable=False,
        )
    )
    content: Mapped[str] = Field(sa_column=Column(Text, nullable=False))
    created_at: Mapped[datetime] = set_by_database()

    conversation: Mapped[Conversation | None] = Relationship(
        back_populates="messages", sa_relationship_kwargs={"lazy": "raise"}
    )


class MessageCreate(InputModel):
    """A new message: text without NUL or lone surrogates, below 100 MB in UTF-8."""

    role: Accepts[Role, Literal["user", "assistant"]]
    content: Annotated[str, Storable, AfterValidator(_within_one_value)]


class MessageRead(ReadModel):
    """A message as it is stored."""

    id: int
    user_id: str
    conversation_id: int
    role: Role
    content: str
    created_at: datetime
