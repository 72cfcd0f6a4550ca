"""The echo of queries, as SQLAlchemy's engine echoes its statements."""

from collections.abc import Sequence
from logging import Logger
from typing import Any

from sqlalchemy.log import InstanceLogger


class Echo:
    """Logs each query and its time; its parameters only where that is asked for."""

    def __init__(self, logger: Logger | InstanceLogger, *, show_parameters: bool) -> None:
        self._logger = logger
        self._show_parameters = show_parameters

    def sent(self, sql: str, arguments: Sequence[Any]) -> None:
        """Log a query that is about to be sent."""
        self._logger.info("%s", sql)
        self._logger.info("%s", tuple(arguments) if self._show_parameters else "[parameters hidden]")

    def took(self, seconds: float) -> None:
        """Log how long its answer took."""
        self._logger.info("%.1f ms", seconds * 1000)
