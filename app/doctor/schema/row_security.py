"""Check that row-level security, if on, covers every table, and that the application is ready for it."""

from typing import Final

from app.db.access import POLICY
from app.db.models.base import owned_tables
from app.doctor.findings import Finding, error, note, ok, warning
from app.doctor.subject import OUR_TABLES, Checks, Subject

_CHECK: Final = "access.row_security"
_STATE: Final = f"""
with {OUR_TABLES}
select cast(ours.relname as text) as name, relrowsecurity and relforcerowsecurity
  and exists (select from pg_policy where polrelid = ours.oid and polname = cast(:policy as name)) as guarded
from ours join pg_class using (oid) order by name"""  # noqa: S608 - constants
_OTHERS: Final = f"""
with {OUR_TABLES}
select quote_ident(cast(polname as text)) as policy, quote_ident(cast(relname as text)) as name
from ours join pg_policy on polrelid = ours.oid where polname <> cast(:policy as name) and polpermissive
order by name, policy"""  # noqa: S608 - constants
_SWITCH_ON: Final = "Run: python -m app rls on"


async def _row_security(subject: Subject) -> list[Finding]:
    names = [table.name for table in owned_tables()]
    rows = await subject.rows(_STATE, tables=names, policy=POLICY)
    open_tables, ready = [row["name"] for row in rows if not row["guarded"]], subject.settings.row_level_security
    if len(open_tables) == len(rows):
        if ready:
            return [note(_CHECK, "off, but the application is configured for it", _SWITCH_ON)]
        return [ok(_CHECK, "off: the predicate of each statement separates users")]
    if not ready:
        found = "on, but the application does not name its user to the server: it sees no rows"
        return [
            error(_CHECK, found, "Set DATABASE_ROW_LEVEL_SECURITY=true for the application, or: python -m app rls off")
        ]
    findings = [
        warning(_CHECK, f"{row['name']} also has the policy {row['policy']}: rows that either permits are visible",
                f"drop policy {row['policy']} on {row['name']};")
        for row in await subject.rows(_OTHERS, tables=names, policy=POLICY)
    ]  # fmt: skip
    if open_tables:
        findings.append(error(_CHECK, f"on, but not for {', '.join(open_tables)}", _SWITCH_ON))
    return findings or [ok(_CHECK, f"on for {', '.join(names)}")]


CHECKS: Checks = {_CHECK: _row_security}
