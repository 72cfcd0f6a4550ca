"""The commands: demo, doctor, migrate, serve."""

from app.cli.commands import app

__all__ = ["app"]
