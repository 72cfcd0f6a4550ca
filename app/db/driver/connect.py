"""Open one connection to the target."""

import ssl
from collections.abc import Iterable, Sequence
from typing import Any, Final

import asyncpg

from app.db.driver.redaction import forget_frames
from app.db.driver.sqlstates import DRIVER_ERRORS, translate_connect
from app.db.driver.times import CheckedStatement, any_is_naive, checked
from app.db.errors import ConfigurationError, DataAccessError, NotDoneError, UnavailableError
from app.db.target.certificates import explain_failure
from app.db.target.settings import DatabaseSettings
from app.db.target.url import ConnectionTarget

_STATEMENT_CACHE_SIZE: Final = 100
_FAILED_TRANSACTION: Final = "25P02"
_WHEN_MISSING: Final = "The URL has no password: copy it again, with the password shown."
_WHEN_MASKED: Final = (
    "The URL has the mask that the console shows in place of the password: show the password, then copy the URL again."
)


class Connection(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
    """asyncpg's connection, except that it refuses times without a time zone and a COMMIT that rolls back."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        # How the driver looks up a type that it does not know: oid with integer is no comparison of pg_catalog's, and
        # array_agg is not exact for any type.
        lookup: str = self._intro_query  # type: ignore[has-type]  # the driver has no types
        lookup = lookup.replace("array_agg(", "pg_catalog.array_agg(")
        self._intro_query = lookup.replace("!= 0", "operator(pg_catalog.<>) 0")

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109 - the driver's
        """Run `query` as asyncpg does; its transactions run BEGIN and COMMIT through this method.

        After a failed statement the server answers COMMIT with ROLLBACK, and asyncpg ignores the answer: a caller that
        caught the statement's error would assume that the transaction was committed.
        """
        await self._refuse_naive_times(query, [args])
        status: str = await super().execute(query, *args, timeout=timeout)
        if status == "ROLLBACK" and query.startswith("COMMIT"):
            raise NotDoneError(
                "the transaction was rolled back: a statement in it failed, and its error was caught",
                sqlstate=_FAILED_TRANSACTION,
            )
        return status

    async def prepare(self, query: str, **options: Any) -> Any:
        """Prepare `query`, in asyncpg's one round trip; only the server knows which parameters are a timestamptz."""
        return checked(await super().prepare(query, **options))

    async def fetch(self, query: str, *args: object, **options: Any) -> Any:
        """Return the rows, as asyncpg does."""
        await self._refuse_naive_times(query, [args])
        return await super().fetch(query, *args, **options)

    async def fetchrow(self, query: str, *args: object, **options: Any) -> Any:
        """Return the first row, as asyncpg does."""
        await self._refuse_naive_times(query, [args])
        return await super().fetchrow(query, *args, **options)

    async def fetchval(self, query: str, *args: object, **options: Any) -> Any:
        """Return a value of the first row, as asyncpg does."""
        await self._refuse_naive_times(query, [args])
        return await super().fetchval(query, *args, **options)

    async def executemany(self, command: str, args: Iterable[Sequence[Any]], **options: Any) -> None:
        """Execute for each of `args`, as asyncpg does."""
        rows = list(args)
        await self._refuse_naive_times(command, rows)
        await super().executemany(command, rows, **options)

    async def _refuse_naive_times(self, query: str, rows: Sequence[Sequence[Any]]) -> None:
        """Only a time without a time zone costs a round trip more, to learn the types."""
        if any_is_naive(rows):
            statement = await self.prepare(query)
            if isinstance(statement, CheckedStatement):
                for row in rows:
                    statement.check(row)


async def connect(settings: DatabaseSettings, target: ConnectionTarget) -> asyncpg.Connection:
    """Return a new connection to the first reachable host that satisfies `target_session_attrs`.

    Raises `UnavailableError` or `ConfigurationError`, naming the host; the driver's error is chained, and neither shows
    the password. Each host gets the whole `connect_timeout`, as in libpq: asyncpg applies it to all hosts together, so
    a host that does not answer would keep the others from being tried.
    """
    attrs = target.target_session_attrs
    attempts = ("standby", "any") if attrs == "prefer-standby" else (attrs,)
    failures: list[UnavailableError] = []
    for wanted in attempts:
        for host, port in zip(target.hosts, target.ports, strict=True):
            try:
                return await _negotiate(settings, target, host, port, wanted)
            except UnavailableError as error:
                failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    raise UnavailableError("; ".join(map(str, failures)), sqlstate=failures[-1].sqlstate) from failures[-1]


async def _negotiate(
    settings: DatabaseSettings, target: ConnectionTarget, host: str, port: int, attrs: str
) -> asyncpg.Connection:
    """Connect to one host, with and without TLS in the order that its sslmode gives."""
    *first, last = (None,) if host.startswith("/") else target.tls.contexts()
    for context in first:
        try:
            return await _open(settings, target, host, port, attrs, context)
        except ConfigurationError:  # the host has no TLS, or no login without it
            continue
    return await _open(settings, target, host, port, attrs, last)


async def _open(
    settings: DatabaseSettings,
    target: ConnectionTarget,
    host: str,
    port: int,
    attrs: str,
    context: ssl.SSLContext | None,
) -> asyncpg.Connection:
    """Connect once; every argument that asyncpg would otherwise read from PG* variables or ~/.pgpass is given."""
    try:
        return await asyncpg.connect(
            host=[host],
            port=[port],
            user=target.user,
            password=target.password or "",
            database=target.database,
            connection_class=Connection,
            ssl=context or False,
            direct_tls=target.tls.direct and context is not None,
            target_session_attrs=attrs,
            krbsrvname="postgres",
            gsslib="gssapi",
            timeout=target.connect_timeout_seconds or settings.connect_timeout_seconds,
            command_timeout=settings.command_timeout_seconds,
            statement_cache_size=0 if target.pooled else _STATEMENT_CACHE_SIZE,
            server_settings={"application_name": settings.application_name, **target.server_settings},
        )
    except BaseException as error:
        forget_frames(error)  # asyncpg's frames hold the password
        if isinstance(error, DRIVER_ERRORS):
            raise _explained(error, target, host, port) from error
        raise


def _explained(error: BaseException, target: ConnectionTarget, host: str, port: int) -> DataAccessError:
    place = target.place((host,), (port,))
    if isinstance(error, ssl.SSLError) and not isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        # An OSError, but waiting does not fix it unless the connection merely ended early.
        return ConfigurationError(f"{place}: {explain_failure(error, host)}")
    ours = translate_connect(error, place, password_advice=_password_advice(target))
    if isinstance(error, ConnectionError) and target.tls.direct:
        return UnavailableError(f"{ours} (sslnegotiation=direct needs PostgreSQL 17, or Neon)")
    return ours


def _password_advice(target: ConnectionTarget) -> str | None:
    if not target.password:
        return _WHEN_MISSING
    return _WHEN_MASKED if not target.password.strip("*\u2022") else None
