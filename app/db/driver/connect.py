"""One connection to the target."""

import ssl
from typing import Final

import asyncpg

from app.db.driver.redaction import forget_frames
from app.db.driver.sqlstates import DRIVER_ERRORS, translate_connect
from app.db.errors import ConfigurationError, DataAccessError, UnavailableError
from app.db.target.settings import DatabaseSettings
from app.db.target.tls import explain_failure
from app.db.target.url import ConnectionTarget

_STATEMENT_CACHE_SIZE: Final = 100
_WRONG_PASSWORD: Final = "28P01"  # noqa: S105 - a code, not one
_FAILED_TRANSACTION: Final = "25P02"


class Connection(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
    """The driver's connection, but a COMMIT that undoes is an error."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109 - the driver's
        """Run as the driver does: BEGIN and COMMIT come this way.

        After a statement that failed the server takes COMMIT for ROLLBACK and says so, and the driver does not look:
        who caught that statement's error would be told that all is stored.
        """
        status: str = await super().execute(query, *args, timeout=timeout)
        if status == "ROLLBACK" and query.startswith("COMMIT"):
            raise DataAccessError(
                "the transaction was rolled back: a statement in it had failed, and its error was caught",
                sqlstate=_FAILED_TRANSACTION,
            )
        return status


async def connect(settings: DatabaseSettings, target: ConnectionTarget) -> asyncpg.Connection:
    """Return a new connection to the first host that is there and is what `target_session_attrs` asks for.

    Raises `UnavailableError` or `ConfigurationError`, naming the place; the driver's error is chained, and none of
    them shows the password. Each host has the whole of `connect_timeout`, as in libpq: the driver would give it to all
    of them together, and one that is silent would hide the others.
    """
    attrs = target.target_session_attrs
    wishes = ("standby", "any") if attrs == "prefer-standby" else (attrs,)
    failures: list[UnavailableError] = []
    for wish in wishes:
        for host, port in zip(target.hosts, target.ports, strict=True):
            try:
                return await _negotiate(settings, target, host, port, wish)
            except UnavailableError as error:
                failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    raise UnavailableError("; ".join(map(str, failures)), sqlstate=failures[-1].sqlstate) from failures[-1]


async def _negotiate(
    settings: DatabaseSettings, target: ConnectionTarget, host: str, port: int, attrs: str
) -> asyncpg.Connection:
    """Connect to one host, with and without TLS in the order of its sslmode."""
    *first, last = (None,) if host.startswith("/") else target.tls.contexts()
    for context in first:
        try:
            return await _open(settings, target, host, port, attrs, context)
        except ConfigurationError:  # no TLS there, or no login without it
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
    """Connect once. All that asyncpg would take from PG* variables or ~/.pgpass is given: only DATABASE_* counts."""
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
        forget_frames(error)  # asyncpg's hold the password
        if isinstance(error, DRIVER_ERRORS):
            raise _explained(error, target, target.place((host,), (port,))) from error
        raise


def _explained(error: BaseException, target: ConnectionTarget, place: str) -> DataAccessError:
    if isinstance(error, ssl.SSLError) and not isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        # An OSError, but waiting does not mend it, unless the connection only ended early.
        return ConfigurationError(f"{place}: {explain_failure(error)}")
    ours = translate_connect(error, place)
    if ours.sqlstate == _WRONG_PASSWORD and not target.password:
        return ConfigurationError(f"{ours} (the URL has no password)", sqlstate=ours.sqlstate)
    if isinstance(error, ConnectionError) and target.tls.direct:
        return UnavailableError(f"{ours} (sslnegotiation=direct needs PostgreSQL 17, or Neon)")
    return ours
