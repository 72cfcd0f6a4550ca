"""The log of slow statements."""

import logging

from app.db.telemetry.execution import Execution, Report

_log = logging.getLogger("app.db.slow")


def slow_statement_log(limit_seconds: float) -> Report:
    """Return a report that logs what the server took longer for than the limit, its figures as fields of the record."""

    def report(execution: Execution) -> None:
        if execution.server_seconds < limit_seconds:
            return
        figures = {
            "statement": execution.name,
            "seconds": execution.server_seconds,
            "rows": execution.rows,
            "pool_wait_seconds": execution.queued_seconds,
            "connecting_seconds": execution.connecting_seconds,
            "decoding_seconds": execution.decoding_seconds,
            "retry": execution.retry,
            "error": execution.error,
        }
        _log.warning("%s took %.3f s", execution.name, execution.server_seconds, extra=figures)

    return report
