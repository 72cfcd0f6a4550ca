"""The questions that an application asks, each one statement."""

from app.repositories.conversations import ConversationRepo
from app.repositories.messages import MessageRepo
from app.repositories.page import Page
from app.repositories.tasks import TaskRepo

__all__ = ["ConversationRepo", "MessageRepo", "Page", "TaskRepo"]
