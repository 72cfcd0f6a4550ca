"""Measuring a statement that SQLAlchemy executes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.db.driver.retry import retry_number
from app.db.driver.sqlstates import sqlstate_of
from app.db.pool.holder import Holder
from app.db.query import QUERY
from app.db.telemetry.execution import Execution, Reports


@contextmanager
def observed(reports: Reports, statement: str, context: Any, holder: Holder) -> Iterator[Execution]:
    """Report what runs within, also if it fails or is cancelled; its rows are for the block to say.

    What is not one of our queries is known by its first word: its text is private.
    """
    query = context.execution_options.get(QUERY)
    execution = Execution(
        name=query.name if query else statement.split(maxsplit=1)[0].lower(),
        retry=retry_number.get(),
        queued_seconds=holder.queued_seconds,
        connecting_seconds=holder.connecting_seconds,
    )
    holder.queued_seconds = holder.connecting_seconds = 0.0  # they belong to the transaction's first statement
    began = time.perf_counter()
    try:
        yield execution
    except BaseException as error:
        execution.error = sqlstate_of(error) or type(error).__name__
        raise
    finally:
        execution.server_seconds = time.perf_counter() - began
        for report in reports:
            report(execution)
