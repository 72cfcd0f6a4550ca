"""Detect a transaction pooler, whatever the URL says, and what is lost in it."""

from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from app.db import DatabaseSettings
from app.db.driver.sqlstates import DRIVER_ERRORS, translate_driver
from app.db.errors import TransientError
from app.db.target.url import ConnectionTarget
from app.doctor.findings import Finding, error, note, ok
from app.doctor.subject import Checks, Subject, drivers

_OTHERS: Final = 2
_PROBE: Final = "doctor.probe"  # our own setting: it means nothing to the server
_REMEMBER: Final = f"select set_config('{_PROBE}', $1, false)"
_RECALL: Final = f"select current_setting('{_PROBE}', true)"


async def shares_sessions(settings: DatabaseSettings, target: ConnectionTarget, driver: Any) -> bool:
    """Return whether a client's session settings are lost or visible to another client: a transaction pooler.

    `driver` is a connection to `target`; more are opened. Raises a `DataAccessError`.
    """
    async with drivers(settings, target, _OTHERS) as others:
        try:
            return await _forgets([driver, *others])
        except DRIVER_ERRORS as problem:
            raise translate_driver(problem, lost=TransientError) from problem


async def _forgets(clients: list[Any]) -> bool:
    tokens = [uuid4().hex for _ in clients]
    for client, token in zip(clients, tokens, strict=True):
        await client.fetchval(_REMEMBER, token)
    recalled = [await client.fetchval(_RECALL) for client in clients]
    for client in clients:
        await client.fetchval(_REMEMBER, "")  # a pooler keeps the server's session, and the token in it
    return recalled != tokens


async def _session_settings(subject: Subject) -> list[Finding]:
    check, said = "pooling.sessions", subject.target.pooled
    if said and subject.behind_pooler:
        found = "a transaction pooler, as configured: SET is lost between transactions, SET LOCAL works within one"
        return [ok(check, found)]
    if subject.behind_pooler:
        found = "session settings are lost: this address is a transaction pooler, but is not configured as one"
        return [error(check, found, "Set DATABASE_POOLER=transaction, and DATABASE_DIRECT_URL for migrations.")]
    if said:
        found = "configured as a transaction pooler, but session settings are kept: calls may be faster if it is not"
        return [note(check, found, "If this is the server itself, set DATABASE_POOLER=none.")]
    return [ok(check, "direct: session settings are kept")]


async def _prepared_statements(subject: Subject) -> list[Finding]:
    check, name = "pooling.prepared_statements", f"doctor_{uuid4().hex[:8]}"
    if not subject.behind_pooler:
        return [ok(check, "kept in the session")]
    if name in await _seen_by_the_server(subject.driver, name):
        return [ok(check, "lost between transactions; this layer uses no named ones through a pooler")]
    return [
        ok(
            check,
            "tracked by the pooler; this layer uses no named ones even so, because an ALTER TABLE would break them",
        )
    ]


async def _seen_by_the_server(driver: Any, name: str) -> set[str]:
    """Prepare a statement by name and return the server's names: a pooler that tracks statements renames it.

    It runs in one transaction, for which every pooler keeps one server session.
    """
    async with driver.transaction(readonly=True):
        kept = await driver.prepare("select 1", name=name)
        names = {row["name"] for row in await driver.fetch("select name from pg_prepared_statements")}
        del kept  # asyncpg closes statements without references
        if name in names:
            with suppress(*DRIVER_ERRORS):  # the end of the session removes it too
                await driver.execute(f"deallocate {name}")
    return names


CHECKS: Checks = {
    "pooling.sessions": _session_settings,
    "pooling.prepared_statements": _prepared_statements,
}
