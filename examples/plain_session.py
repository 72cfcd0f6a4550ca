"""The models in a plain SQLAlchemy session: relations, predicates and order, as in any SQLModel program.

Run `python -m examples.plain_session` with DATABASE_URL set and migrated.
"""

import asyncio

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.db import Database, DatabaseSettings
from app.db.models import Conversation, Message, Role


async def main(user_id: str = "ada") -> None:
    """Write a conversation with its messages, and read it back with them."""
    async with Database(DatabaseSettings()) as db, db.sessionmaker() as session:
        conversation = Conversation(user_id=user_id)
        conversation.messages = [
            Message(user_id=user_id, role=Role.USER, content="What is next?"),
            Message(user_id=user_id, role=Role.ASSISTANT, content="Buy milk."),
        ]
        session.add(conversation)
        await session.commit()

        newest_first = (
            select(Conversation)
            .where(Conversation.user_id == user_id)
            .options(selectinload(Conversation.messages))
            .order_by(Conversation.updated_at.desc())
            .limit(10)
        )
        for found in await session.scalars(newest_first):
            for message in found.messages:
                print(f"{message.role}: {message.content}")


if __name__ == "__main__":
    asyncio.run(main())
