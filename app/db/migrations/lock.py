"""Run one migration at a time: the advisory lock, and which connection holds it."""

import asyncio
import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.util import await_only

from app.db.errors import TransientError

MIGRATION_LOCK_KEY: Final = 0x6D696772617465
"""The key of the lock, ``migrate`` in ASCII: other tools that migrate this database must take it too."""

_POLL_SECONDS = 0.5
_REPORT_SECONDS = 5
_log = logging.getLogger(__name__)

_TRY = text(f"select pg_try_advisory_lock({MIGRATION_LOCK_KEY})")
_UNLOCK = text(f"select pg_advisory_unlock({MIGRATION_LOCK_KEY})")
_LOCK_UNTIL_COMMIT = text(f"select pg_advisory_xact_lock({MIGRATION_LOCK_KEY})")
# pg_locks shows a bigint key as two halves, with objsubid 1.
_HOLDER = text(f"""
select 'pid ' || pid
       || coalesce(' (' || application_name || ', connected since ' || backend_start::timestamptz(0) || ')', '')
from pg_locks join pg_stat_activity using (pid)
where locktype = 'advisory' and granted and objsubid = 1 and datname = current_database() and database = datid
  and (classid::bigint << 32) + objid::bigint = {MIGRATION_LOCK_KEY}""")  # noqa: S608 - a constant


@contextmanager
def migration_lock(connection: Connection, *, wait_seconds: float) -> Iterator[None]:
    """Hold the lock on a connection that is in no transaction; the server releases it if the connection breaks.

    It polls: a connection that waits inside the server holds a snapshot, and the other migration's CREATE INDEX
    CONCURRENTLY would wait for it indefinitely. Raises `TransientError` after `wait_seconds`, naming the holder.
    """
    _acquire(connection, wait_seconds)
    try:
        yield
    except asyncio.CancelledError:
        connection.invalidate()  # its statement may be half done; closing it releases the lock
        raise
    finally:
        if not connection.invalidated:
            connection.rollback()
            _scalar(connection, _UNLOCK)


def lock_until_commit(connection: Connection) -> None:
    """Take the lock for the transaction that `connection` is in; waits up to the connection's `lock_timeout`."""
    connection.execute(_LOCK_UNTIL_COMMIT)


def _acquire(connection: Connection, wait_seconds: float) -> None:
    began = time.monotonic()
    report_at = 0.0
    while not _scalar(connection, _TRY):
        waited = time.monotonic() - began
        if waited >= report_at or waited >= wait_seconds:
            holder = _scalar(connection, _HOLDER) or "a process that is just ending"
            if waited >= wait_seconds:
                raise TransientError(f"another migration still runs after {waited:.0f} s: {holder} holds the lock")
            _log.warning("waiting for another migration, %.0f of at most %g s: %s", waited, wait_seconds, holder)
            report_at = waited + _REPORT_SECONDS
        await_only(asyncio.sleep(random.uniform(0.2, 1) * _POLL_SECONDS))  # noqa: S311 - spreads the waiting processes


def _scalar(connection: Connection, statement: TextClause) -> object:
    with connection.begin():
        return connection.execute(statement).scalar()
