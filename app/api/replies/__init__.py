"""Replies in flight: streamed to those who listen, stored whole also when nobody does."""

from app.api.replies.events import MEDIA_TYPE, events
from app.api.replies.replies import Replies
from app.api.replies.reply import Reply

__all__ = ["MEDIA_TYPE", "Replies", "Reply", "events"]
