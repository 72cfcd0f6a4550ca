"""Compare the cost of importing this layer with that of importing its libraries."""

import os
import sys

_BARE = "import sqlmodel, sqlalchemy.ext.asyncio, sqlalchemy.dialects.postgresql.asyncpg, asyncpg, pydantic_settings"
# With bytecode kept, as in a deployment; else ours is compiled each time, and a library that is installed is not.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
_OURS = "import app.db, app.repositories"


def import_ratios(*, rounds: int) -> list[float]:
    """Return the ratio of the two processor times in each of some alternating pairs."""
    pairs = [(_processor_seconds(_OURS), _processor_seconds(_BARE)) for _ in range(rounds + 1)]
    return [ours / bare for ours, bare in pairs[1:]]  # the first pair reads the files from disk


def _processor_seconds(code: str) -> float:
    process = os.posix_spawn(sys.executable, [sys.executable, "-c", code], _ENVIRONMENT)
    _, status, used = os.wait4(process, 0)
    if status:
        raise RuntimeError(f"python -c {code!r} failed")
    return used.ru_utime + used.ru_stime
