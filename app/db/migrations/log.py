"""What Alembic's log says of a migration."""

import logging
from typing import Final

STEPS: Final = logging.getLogger("alembic.runtime.migration")


def log_steps_only() -> None:
    """Leave out what Alembic logs beside each step: names of its own classes, once for each transaction."""
    STEPS.addFilter(_is_step)


def _is_step(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO or "->" in record.getMessage()
