"""The queries that an application runs, each one statement."""

from app.repositories.conversations import ConversationRepo
from app.repositories.entity import Entity
from app.repositories.messages.appending import AppendedOnce
from app.repositories.messages.repository import MessageRepo
from app.repositories.page import Page
from app.repositories.registry import entities, queries, routines
from app.repositories.repository import Repository
from app.repositories.tasks import TaskRepo
from app.repositories.usual import Usual

__all__ = [
    "AppendedOnce",
    "ConversationRepo",
    "Entity",
    "MessageRepo",
    "Page",
    "Repository",
    "TaskRepo",
    "Usual",
    "entities",
    "queries",
    "routines",
]
