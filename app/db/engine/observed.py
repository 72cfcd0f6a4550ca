"""Measuring a statement, whichever way it is executed."""

import logging
import time

from app.db.driver.retry import retry_number
from app.db.driver.sqlstates import sqlstate_of
from app.db.pool.holder import Holder
from app.db.telemetry.execution import Execution, Reports

_log = logging.getLogger(__name__)


class observed:  # noqa: N801 - reads as a word: `with observed(...) as execution:`
    """Report what runs within, also if it fails or is cancelled; the block says its rows and how long it decoded."""

    __slots__ = ("_began", "_execution", "_reports")

    def __init__(self, reports: Reports, name: str, holder: Holder) -> None:
        self._reports = reports
        self._execution = Execution(name, retry_number.get(), holder.queued_seconds, holder.connecting_seconds)
        holder.queued_seconds = holder.connecting_seconds = 0.0  # they belong to the transaction's first statement
        self._began = time.perf_counter()

    def __enter__(self) -> Execution:
        return self._execution

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        execution = self._execution
        execution.server_seconds = time.perf_counter() - self._began - execution.decoding_seconds
        if error is not None:
            execution.error = sqlstate_of(error) or type(error).__name__
        for report in self._reports:
            try:
                report(execution)
            except Exception:  # noqa: BLE001 - what is measured has happened: it must not look as if it had failed
                _log.exception("a report on the statement %s failed", execution.name)
