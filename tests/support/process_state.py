"""What a test may change in the process, and must restore for later tests."""

import logging
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_LOGGERS: Final = ("", "app", "alembic", "sqlalchemy")
_PYTESTS_OWN: Final = "PYTEST_CURRENT_TEST"


def process_state() -> Mapping[str, object]:
    """Return the state that the tests share; two results differ where something was left behind."""
    loggers = {name: logging.getLogger(name) for name in _LOGGERS}
    return {
        "environment": {name: value for name, value in os.environ.items() if name != _PYTESTS_OWN},
        "working directory": Path.cwd(),
        "signal handlers": [signal.getsignal(number) for number in _SIGNALS],
        "levels of loggers": {name: (logger.level, logger.disabled) for name, logger in loggers.items()},
        "listeners on the class Engine": Engine._has_events,
    }
