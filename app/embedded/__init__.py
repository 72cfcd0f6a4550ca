"""A private PostgreSQL from a wheel, for demo, serve and tests."""

from app.embedded.process import EmbeddedPostgresError
from app.embedded.server import EmbeddedPostgres, default_data_folder

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "default_data_folder"]
