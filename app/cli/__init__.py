"""What a person runs: demo, migrate, revision."""

from app.cli.commands import app

__all__ = ["app"]
