"""What the layer retries, according to its log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGER = logging.getLogger("app.db.driver.retry")


@contextmanager
def retries() -> Iterator[list[str]]:
    """Collect a log line for each retry in the block; a call that fails at once leaves none."""
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    _LOGGER.addHandler(handler)
    try:
        yield lines
    finally:
        _LOGGER.removeHandler(handler)
