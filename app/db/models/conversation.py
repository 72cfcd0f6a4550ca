"""A conversation between a person and an assistant, and its messages."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator
from sqlalchemy import BigInteger, CheckConstraint, Column, Enum, ForeignKeyConstraint, Index, Text, UniqueConstraint
from sqlmodel import Field, Relationship, SQLModel

from app.db.annotations import Accepts, Mapped
from app.db.models.base import (
    BYTES_PER_CHARACTER,
    MAPPER_ARGUMENTS,
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

# 100 MB take 2 s and 764 MB of memory; 1.1 GB ends the connection as if a retry could help.
CONTENT_LIMIT_BYTES: Final = 100_000_000
# `role in ('user', 'assistant')` as the server keeps it, with the operator of pg_catalog whatever another role planted
_ROLE_KNOWN: Final = "role operator(pg_catalog.=) any (cast(array['user', 'assistant'] as varchar[]))"


class Conversation(SQLModel, table=True):
    """The table ``conversation``; `updated_at` moves with every message appended."""

    __tablename__: ClassVar[Any] = "conversation"
    __table_args__ = (
        owner_not_empty(),
        UniqueConstraint("user_id", "id"),  # what a message's composite foreign key points at
        Index(None, "user_id", "updated_at", "id"),
        *idempotency_key(),
    )
    __mapper_args__: ClassVar[dict[str, Any]] = MAPPER_ARGUMENTS

    id: Mapped[int | None] = row_id()
    user_id: Mapped[str] = owner()
    created_at: Mapped[datetime] = set_by_database()
    updated_at: Mapped[datetime] = set_by_database(on_update=True)

    messages: Mapped[list["Message"]] = Relationship(
        back_populates="conversation",
        # raise: nothing is loaded behind the caller's back. passive_deletes: the database deletes the messages.
        sa_relationship_kwargs={
            "lazy": "raise",
            "order_by": "Message.id",
            "cascade": "all, delete-orphan",
            "passive_deletes": True,
        },
    )


class ConversationRead(ReadModel):
    """A conversation as it is stored, without its messages."""

    id: int
    user_id: str
    created_at: datetime
    updated_at: datetime


class Role(StrEnum):
    """The author of a message."""

    USER = "user"
    ASSISTANT = "assistant"


def _within_one_value(content: str) -> str:
    surely_fits = len(content) * BYTES_PER_CHARACTER < CONTENT_LIMIT_BYTES
    if not surely_fits and len(content.encode()) >= CONTENT_LIMIT_BYTES:
        raise ValueError(f"must be shorter than {CONTENT_LIMIT_BYTES:,} bytes")
    return content


class Message(SQLModel, table=True):
    """The table ``message``; its foreign key contains the user: no message is in another user's conversation.

    A session may add one, but only `MessageRepo` appends in commit order, so that a poller misses none.
    """

    __tablename__: ClassVar[Any] = "message"
    __table_args__ = (
        owner_not_empty(),
        CheckConstraint(_ROLE_KNOWN, name="role_known"),
        ForeignKeyConstraint(
            ["user_id", "conversation_id"], ["conversation.user_id", "conversation.id"], ondelete="CASCADE"
        ),
        # Three columns: with two the planner reads the whole conversation for a page of 50.
        Index("ix_message_conversation_id_user_id_id", "conversation_id", "user_id", newest_first()),
        Index(None, "user_id", "id"),
        *idempotency_key(),
    )
    __mapper_args__: ClassVar[dict[str, Any]] = MAPPER_ARGUMENTS

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
