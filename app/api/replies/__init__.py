"""Replies in flight: streamed to their readers, stored whole also when there are none."""

from app.api.replies.events import MEDIA_TYPE, events
from app.api.replies.replies import Replies
from app.api.replies.reply import Reply

__all__ = ["MEDIA_TYPE", "Replies", "Reply", "events"]
