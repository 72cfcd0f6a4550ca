"""The tables and the models that go in and come out."""

from app.db.models.base import metadata
from app.db.models.conversation import Conversation, ConversationRead, Message, MessageCreate, MessageRead, Role
from app.db.models.task import Task, TaskCreate, TaskRead, TaskUpdate

__all__ = [
    "Conversation",
    "ConversationRead",
    "Message",
    "MessageCreate",
    "MessageRead",
    "Role",
    "Task",
    "TaskCreate",
    "TaskRead",
    "TaskUpdate",
    "metadata",
]
