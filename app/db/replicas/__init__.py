"""Reads on replicas that have what their user has written (docs/replicas.md)."""

from app.db.replicas.dialect import routed_dialect
from app.db.replicas.routing import Routing
from app.db.replicas.writes import Writes

__all__ = ["Routing", "Writes", "routed_dialect"]
