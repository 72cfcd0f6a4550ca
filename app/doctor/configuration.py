"""How the server is set: what it promises when it says "committed", and what it does about those who hang."""

from typing import Final

from app.doctor.findings import Finding, note, ok, warning
from app.doctor.subject import Checks, Subject, our_tables

_DURABLE: Final = ("synchronous_commit", "fsync", "full_page_writes")
_LOST: Final = {
    "synchronous_commit": "what was committed in the last moments is lost when the server crashes",
    "fsync": "a crash of the machine may destroy the whole database",
    "full_page_writes": "a crash of the machine may destroy pages of the database",
}
_TIMEOUTS: Final = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


async def _durability(subject: Subject) -> list[Finding]:
    findings = []
    for name in _DURABLE:
        value = await subject.value(f"show {name}")
        if value == "off":
            advice = f"Set {name} = on, for the server, the database and the role; see which one has it off."
            findings.append(warning(f"configuration.{name}", f"off: {_LOST[name]}", advice))
        else:
            findings.append(ok(f"configuration.{name}", value))
    return findings


async def _autovacuum(subject: Subject) -> list[Finding]:
    check = "configuration.autovacuum"
    if await subject.value("show autovacuum") == "off":
        advice = "Set autovacuum = on: without it tables grow, plans go wrong, and one day the server refuses writes."
        return [warning(check, "off", advice)]
    off_for = await subject.rows(
        "select relname from pg_class where relname = any(:tables) and pg_table_is_visible(oid) "
        "and 'autovacuum_enabled=false' = any(reloptions) order by relname",
        tables=[table.name for table in our_tables()],
    )
    if off_for:
        names = ", ".join(row["relname"] for row in off_for)
        return [warning(check, f"off for {names}", f"alter table {names} reset (autovacuum_enabled);")]
    return [ok(check, "on")]


async def _timeouts(subject: Subject) -> list[Finding]:
    check = "configuration.timeouts"
    values = {name: await subject.value(f"show {name}") for name in _TIMEOUTS}
    found = ", ".join(f"{name} {'none' if value == '0' else value}" for name, value in values.items())
    client = subject.settings.command_timeout_seconds
    found += f"; the client waits {f'{client:g} s' if client else 'for ever'} for a statement"
    if client is None and values["statement_timeout"] == "0":
        return [warning(check, found, "Set DATABASE_COMMAND_TIMEOUT_SECONDS: a call may never return.")]
    if values["idle_in_transaction_session_timeout"] == "0":
        advice = "A client that hangs in a transaction holds its locks: alter role ... set the last one, to 60s or so."
        return [note(check, found, advice)]
    return [ok(check, found)]


CHECKS: Checks = {
    "configuration.durability": _durability,
    "configuration.autovacuum": _autovacuum,
    "configuration.timeouts": _timeouts,
}
