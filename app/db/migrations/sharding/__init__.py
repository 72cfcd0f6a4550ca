"""One database on many servers: its tables sharded by user with Citus, and back."""

from app.db.migrations.sharding.distribution import Distribution, distribute
from app.db.migrations.sharding.form import sharded_key
from app.db.migrations.sharding.state import Sharding, sharding_of

__all__ = ["Distribution", "Sharding", "distribute", "sharded_key", "sharding_of"]
