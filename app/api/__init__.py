"""A small FastAPI service on the repositories; nothing is read, opened or started before `create_app` is called."""

from app.extras import require_extra

require_extra("api", "fastapi", "jwt", "uvicorn")

from app.api.app import create_app  # noqa: E402 - the extra is checked first
from app.api.assistant import Assistant  # noqa: E402 - the extra is checked first
from app.api.settings import ApiSettings  # noqa: E402 - the extra is checked first

__all__ = ["ApiSettings", "Assistant", "create_app"]
