"""The commands of ``python -m app``."""

from app.cli.commands import app

__all__ = ["app"]
