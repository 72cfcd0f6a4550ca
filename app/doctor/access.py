"""Whether the role may do what the repositories do, and whether somebody else keeps it from the tables."""

from typing import Final

from app.doctor.findings import Finding, error, ok, warning
from app.doctor.subject import Checks, Subject, table_names

# A table that is not there has no privileges that could be missing: `has_table_privilege` of null is null.
_MISSING: Final = """
select name, string_agg(privilege, ', ' order by place) as privileges, quote_ident(current_user) as role
from (
  select name, privilege, place from unnest(cast(:names as text[])) as name,
    unnest(array['select', 'insert', 'update', 'delete']) with ordinality as wanted (privilege, place)
  union all select 'alembic_version', 'select', 1
) as wanted
where not has_table_privilege(to_regclass(name), privilege)
group by name order by name"""
_LOCKS: Final = """
select relname, pid, granted, coalesce(application_name, '') as application,
  round(extract(epoch from clock_timestamp() - xact_start)) as seconds
from pg_locks join pg_class on pg_class.oid = relation left join pg_stat_activity using (pid)
where mode = 'AccessExclusiveLock' and relname = any(:names) and pg_table_is_visible(relation)
  and database = (select oid from pg_database where datname = current_database())
order by relname, pid"""


async def _privileges(subject: Subject) -> list[Finding]:
    check, missing = "access.privileges", await subject.rows(_MISSING, names=table_names())
    if not missing:
        return [ok(check, "the role may do what the repositories do")]
    found = "; ".join(f"the role may not {row['privileges']} on {row['name']}" for row in missing)
    grants = " ".join(f"grant {row['privileges']} on {row['name']} to {row['role']};" for row in missing)
    return [error(check, found, grants)]


async def _locks(subject: Subject) -> list[Finding]:
    check, locks = "access.locks", await subject.rows(_LOCKS, names=table_names())
    return [
        warning(
            check,
            f"process {row['pid']}{_named(row['application'])} {'locks' if row['granted'] else 'waits to lock'} "
            f"{row['relname']}{_since(row['seconds'])}: every statement on it waits",
            f"A migration ends by itself. Something else: select pg_terminate_backend({row['pid']});",
        )
        for row in locks
    ] or [ok(check, "nobody keeps others from the tables")]


def _named(application: str) -> str:
    return f" ({application})" if application else ""


def _since(seconds: float | None) -> str:
    return "" if seconds is None else f", in a transaction of {seconds:.0f} s"


CHECKS: Checks = {
    "access.privileges": _privileges,
    "access.locks": _locks,
}
