"""A conversation between a person and an assistant."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Relationship, SQLModel

from app.db.annotations import Mapped
from app.db.models.base import (
    NOT_MAPPED,
    ReadModel,
    idempotency_key,
    owner,
    owner_not_empty,
    row_id,
    set_by_database,
)

if TYPE_CHECKING:
    from app.db.models.message import Message


class Conversation(SQLModel, table=True):
    """The table ``conversation``; `updated_at` moves with every message appended."""

    __tablename__: ClassVar[str] = "conversation"
    __table_args__ = (
        owner_not_empty(),
        UniqueConstraint("user_id", "id"),  # what a message's composite foreign key points at
        Index(None, "user_id", "updated_at", "id"),
        *idempotency_key(),
    )
    __mapper_args__: ClassVar[dict[str, Any]] = {"eager_defaults": True, "exclude_properties": NOT_MAPPED}

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
