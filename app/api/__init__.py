"""A small FastAPI service on the repositories; nothing is read, opened or started before `create_app` is called."""

from app.api.app import create_app
from app.api.assistant import Assistant
from app.api.settings import ApiSettings

__all__ = ["ApiSettings", "Assistant", "create_app"]
