"""Check that the role has exactly the application's rights, and that no lock keeps it from the tables."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from sqlalchemy import RowMapping

from app.db.access import MISSING_RIGHTS, application_rights, remedies, wanted_rights
from app.doctor.findings import Finding, error, ok, warning
from app.doctor.subject import OUR_TABLES, Checks, Subject, table_names

# Listed by grantee, the role itself or a role that it is a member of: only a revoke from the grantee removes the right.
_TOO_MUCH: Final = f"""
with {OUR_TABLES}
select quote_ident(cast(relname as text)) as name, lower(privilege_type) as privilege,
  case when grantee = cast(0 as oid) then 'public'
    else quote_ident(cast(pg_get_userbyid(grantee) as text)) end as grantee
from ours, aclexplode(relacl)
where not pg_has_role(relowner, 'usage') and (grantee = cast(0 as oid) or pg_has_role(grantee, 'usage'))
  and not exists (
    select from unnest(cast(:names as text[]), cast(:privileges as text[])) as wanted (name, privilege)
    where wanted.name = cast(relname as text) and wanted.privilege = lower(privilege_type))
order by grantee, relname, privilege"""  # noqa: S608 - constants
_LOCKS: Final = f"""
with {OUR_TABLES}
select cast(relname as text) as relname, pid, granted, coalesce(application_name, '') as application,
  round(extract(epoch from clock_timestamp() - xact_start)) as seconds
from ours join pg_locks on relation = oid left join pg_stat_activity using (pid)
where mode = 'AccessExclusiveLock'
  and database = (select oid from pg_database where datname = current_database())
order by relname, pid"""  # noqa: S608 - constants


async def _privileges(subject: Subject) -> list[Finding]:
    check, wanted = "access.privileges", wanted_rights()
    missing = (await subject.session.execute(MISSING_RIGHTS, wanted)).mappings().all()
    too_much = await subject.rows(_TOO_MUCH, tables=list(application_rights()), **wanted)
    findings = []
    if missing:
        found = "; ".join(f"the role lacks {row['privileges']} on {row['name']}" for row in missing)
        lacking = remedies((row["name"] for row in missing), subject.settings)
        findings.append(error(check, found, " ".join(each.statement for each in lacking)))
    findings += [_more_than_needed(check, grantee, list(rows)) for grantee, rows in groupby(too_much, _grantee)]
    return findings or [ok(check, "the role has exactly the rights that the application needs")]


def _grantee(row: RowMapping) -> str:
    return str(row["grantee"])


def _more_than_needed(check: str, grantee: str, rows: Sequence[RowMapping]) -> Finding:
    by_table = {
        table: ", ".join(each["privilege"] for each in each_table)
        for table, each_table in groupby(rows, lambda row: row["name"])
    }
    found = "; ".join(f"{grantee} has {privileges} on {table}" for table, privileges in by_table.items())
    revokes = " ".join(f"revoke {privileges} on {table} from {grantee};" for table, privileges in by_table.items())
    return warning(check, f"more rights than the application needs: {found}", revokes)


async def _locks(subject: Subject) -> list[Finding]:
    check, locks = "access.locks", await subject.rows(_LOCKS, tables=table_names())
    return [
        warning(
            check,
            f"process {row['pid']}{_named(row['application'])} {'holds' if row['granted'] else 'waits for'} "
            f"an exclusive lock on {row['relname']}{_since(row['seconds'])}: all other statements on it wait",
            f"If it is a migration, let it end. Otherwise: select pg_terminate_backend({row['pid']});",
        )
        for row in locks
    ] or [ok(check, "no other session has an exclusive lock on the tables")]


def _named(application: str) -> str:
    return f" ({application})" if application else ""


def _since(seconds: float | None) -> str:
    return "" if seconds is None else f", in a transaction open for {seconds:.0f} s"


CHECKS: Checks = {
    "access.privileges": _privileges,
    "access.locks": _locks,
}
