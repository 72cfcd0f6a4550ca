"""One replica: its connections, and whether it is worth asking."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from app.db.driver.connect import connect
from app.db.engine.compiled import compiled
from app.db.errors import DataAccessError, InvalidInputError
from app.db.pool.connection import PooledConnection
from app.db.pool.ready import ReadyPool
from app.db.pool.status import ReplicaStatus
from app.db.query import Query
from app.db.replicas.identity import PROMOTED, Identity, identity_of
from app.db.replicas.patience import Patience
from app.db.replicas.runner import ReplicaRunner
from app.db.replicas.standing import Standing
from app.db.replicas.statements import XIDS, Guarded, Verdict, told
from app.db.replicas.writes import Marks, Needed
from app.db.target.settings import DatabaseSettings
from app.db.target.url import ConnectionTarget
from app.db.telemetry.execution import Reports

Row = TypeVar("Row")
_CONNECTING_SECONDS: Final = 1.0
_CHECKS_AT_ONCE: Final = 4
_HANGS_SECONDS: Final = 2.0
_STRIKES: Final = 3
_CHECK_SECONDS: Final = 2.0
_READ_ONLY: Final = "25006"


class Replica:
    """Answers reads from connections that are ready; makes none of its own troubles the caller's.

    It is asked nothing that could wait: not while its connections are busy, being opened, have not yet prepared the
    query, or an answer is overdue. After trouble it has to answer a check first, for which no caller waits.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        target: ConnectionTarget,
        reports: Reports,
        primary: Callable[[], Identity | None],
    ) -> None:
        self.place = target.place(target.hosts, target.ports).rpartition("@")[2].rpartition("/")[0]
        pooling = settings.model_copy(update={"retry_seconds": _CONNECTING_SECONDS, "pool_min_size": 0})
        self.pool = ReadyPool(partial(connect, settings, target), pooling, pooled=target.pooled)
        self._row_level_security = settings.row_level_security
        self._runner = ReplicaRunner(
            self.pool, reports, row_level_security=settings.row_level_security, place=self.place
        )
        self._primary = primary
        self._copies: set[tuple[int, int | None]] = set()
        """Which server has been found to be a copy of which primary: a host, or a pooler, may have another tomorrow."""
        self._patience = Patience()
        self._refused: set[str] = set()
        """Queries that no replica can run, or not in reasonable time."""
        self._strikes: dict[str, int] = {}
        self._standing = Standing(self.place)
        self._checks: set[asyncio.Task[None]] = set()
        self._overdue: set[asyncio.Task[Any]] = set()
        """Answers that came too late for their callers, and have not come yet."""
        self._answers: set[asyncio.Task[Any]] = set()
        self._background: set[asyncio.Task[Any]] = set()
        """What runs apart from them: checks and the preparing of queries."""
        self._is_closed = False
        self._counts = dict.fromkeys(("served", "behind", "not_ready", "late", "failed"), 0)
        self._lag_seconds = 0.0

    def take(self, query: Query[Any]) -> PooledConnection | None:
        """Return a connection on which the query can be answered at once; None if there is none."""
        if (
            self._is_closed
            or self._standing.is_left_alone
            or any(map(_can_end, self._overdue))
            or query.name in self._refused
        ):
            return None
        connection = self.pool.take() if self._standing.is_trusted else None
        if connection is None:
            self._check_soon()
        elif not self.pool.pooled and self._sql(query) not in connection.prepared:
            self._start(self._prepare(query, connection))
        else:
            return connection
        self._counts["not_ready"] += 1
        return None

    async def read(
        self, query: Query[Row], connection: PooledConnection, parameters: Mapping[str, Any], needed: Needed
    ) -> list[Row] | None:
        """Return the rows, or None where the primary is to be asked."""
        xids = [xid for mark in needed.marks for xid in mark.unproven(connection.driver)]
        answer = self._start(self._runner.run_on(connection, query, {**parameters, XIDS: xids}), self._answers)
        began = time.monotonic()
        try:
            await asyncio.wait((answer,), timeout=self._patience.seconds(query.name))
        except asyncio.CancelledError:
            answer.cancel()
            raise
        if not answer.done():
            self._await_no_longer(answer, query, began)
            return None
        try:
            rows = answer.result()
        except DataAccessError as error:
            self._failed(query, error)
            return None
        assert isinstance(rows, Guarded)
        self._learn(query, began)
        return rows if self._is_current(rows, needed, connection) else None

    def _await_no_longer(self, answer: asyncio.Task[Any], query: Query[Any], began: float) -> None:
        """Let the answer come for itself; if it does not come at all, the replica hangs."""
        self._counts["late"] += 1
        self._overdue.add(answer)
        giving_up = asyncio.get_running_loop().call_later(_HANGS_SECONDS, answer.cancel)

        def ended(_: object) -> None:
            self._overdue.discard(answer)
            giving_up.cancel()
            if answer.cancelled():
                self._gave_up(query)
            elif answer.exception() is None:
                self._learn(query, began)

        answer.add_done_callback(ended)

    def _learn(self, query: Query[Any], began: float) -> None:
        self._strikes.pop(query.name, None)
        self._patience.learn(query.name, time.monotonic() - began)

    def _gave_up(self, query: Query[Any]) -> None:
        if self._standing.is_trusted:  # one strike for all that were waiting
            self._strikes[query.name] = self._strikes.get(query.name, 0) + 1
            if self._strikes[query.name] == _STRIKES:  # with none of its answers in between
                self._refused.add(query.name)
        self._standing.lose("no answer in time")

    def status(self) -> ReplicaStatus:
        """Return the figures of this moment."""
        pool = self.pool.status()
        return ReplicaStatus(
            place=self.place,
            size=pool.size,
            in_use=pool.in_use,
            idle=pool.idle,
            lag_seconds=self._lag_seconds,
            left_alone=not self._standing.is_trusted and self._standing.last_error is not None,
            last_error=self._standing.last_error or pool.last_error,
            **self._counts,
        )

    async def close(self) -> None:
        """Close the connections, after the answers that callers wait for."""
        self._is_closed = True
        await asyncio.sleep(0)  # what was given a connection begins, and gives it back when it is cancelled
        for task in filter(_can_end, self._background | self._overdue):
            task.cancel()
        await asyncio.gather(*filter(_can_end, self._background | self._answers), return_exceptions=True)
        await self.pool.close()

    def _sql(self, query: Query[Any]) -> str:
        return compiled(query, row_level_security=self._row_level_security).sql

    def _is_current(self, rows: Guarded[Any], needed: Needed, connection: PooledConnection) -> bool:
        """Return whether the rows can be shown; if not, remember why."""
        self._lag_seconds = rows.lag_seconds
        if rows.verdict is Verdict.PROMOTED:
            self._lost(PROMOTED)
        elif (rows.server, needed.primary) not in self._copies:
            self._lost("it or the primary is another server than before")
        elif rows.verdict is Verdict.CURRENT:
            self._counts["served"] += 1
            return True
        else:
            self._was_behind(rows.verdict, needed.marks, connection)
        return False

    def _was_behind(self, verdict: Verdict, marks: Marks, connection: PooledConnection) -> None:
        self._counts["behind"] += 1
        if verdict is Verdict.BEHIND:
            for mark in marks:
                mark.was_behind()
        elif not self.pool.pooled:  # a pooler's next statement may run on another server
            for mark in marks:
                mark.prove(connection.driver)

    def _failed(self, query: Query[Any], error: DataAccessError) -> None:
        if error.sqlstate == _READ_ONLY:
            self._refused.add(query.name)
        elif not isinstance(error, InvalidInputError):  # the primary refuses the value, too
            self._lost(str(error))

    def _lost(self, why: str) -> None:
        self._counts["failed"] += 1
        self._standing.lose(why)

    def _check_soon(self) -> None:
        """Have another connection ready soon: several, where callers find none free."""
        self._checks = {check for check in self._checks if not check.done() and _can_end(check)}
        if len(self._checks) < (_CHECKS_AT_ONCE if self._standing.is_trusted else 1):
            self._checks.add(self._start(self._check()))

    async def _check(self) -> None:
        """Have one more connection ready, on which the replica has just answered."""
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                found, primary = await identity_of(self._runner), self._primary()
        except (TimeoutError, DataAccessError) as error:
            self._not_ready(str(error) or "no answer in time")
        else:
            if primary and (why := found.objection(primary)):
                self._lost(why)
            elif primary:
                self._copies.add((told(found.server), primary.server))
                self._standing.gain()

    def _not_ready(self, why: str) -> None:
        status = self.pool.status()
        if not (self._standing.is_trusted and status.in_use + status.idle):  # else those that there are still answer
            self._lost(why)

    async def _prepare(self, query: Query[Any], connection: PooledConnection) -> None:
        try:
            await self._runner.prepare(query, connection)
        except DataAccessError as error:
            self._failed(query, error)

    def _start(self, work: Coroutine[Any, Any, Any], tasks: set[asyncio.Task[Any]] | None = None) -> asyncio.Task[Any]:
        task, kept = asyncio.get_running_loop().create_task(work), self._background if tasks is None else tasks
        kept.add(task)
        task.add_done_callback(kept.discard)
        task.add_done_callback(_retrieve)
        return task


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Retrieve the task's error, of which asyncio would warn: perhaps no caller waits for it."""
    if not task.cancelled():
        task.exception()


def _can_end(task: asyncio.Task[Any]) -> bool:
    """Return whether the task is one of the running loop: another's may never end."""
    return task.get_loop() is asyncio.get_running_loop()
