"""Check that the role may do no more than the application needs."""

from typing import Final

from app.db.access import Roles
from app.doctor.findings import Finding, ok, warning
from app.doctor.subject import OUR_TABLES, Checks, Subject, table_names

_ROLE: Final = f"""
with {OUR_TABLES}
select cast(rolname as text) as name, quote_ident(cast(rolname as text)) as quoted, rolsuper as superuser,
  exists (select from ours where pg_has_role(relowner, 'usage')) as owns,
  rolbypassrls as bypassrls, rolcreaterole as createrole, rolcreatedb as createdb, rolreplication as replication,
  (select string_agg(quote_ident(cast(granted.rolname as text)), ', ')
   from pg_auth_members join pg_roles as granted on granted.oid = roleid
   where member = pg_roles.oid and starts_with(cast(granted.rolname as text), 'pg_')) as member_of
from pg_roles where rolname = current_user"""  # noqa: S608 - constants
_ATTRIBUTES: Final = ("bypassrls", "createrole", "createdb", "replication")


async def _role(subject: Subject) -> list[Finding]:
    check = "access.role"
    (role,) = await subject.rows(_ROLE, tables=table_names())
    if role["superuser"] or role["owns"]:
        what = "is a superuser" if role["superuser"] else "owns the tables"
        found = f"the role {role['name']} {what}: it can drop the tables and bypass row-level security"
        return [warning(check, found, _another_role(role["name"]))]
    findings = []
    if attributes := [name for name in _ATTRIBUTES if role[name]]:
        advice = f"alter role {role['quoted']} {' '.join(f'no{name}' for name in attributes)};"
        findings.append(warning(check, f"the role has {', '.join(attributes)}, which it does not need", advice))
    if role["member_of"]:
        advice = f"revoke {role['member_of']} from {role['quoted']};"
        findings.append(warning(check, f"the role is a member of {role['member_of']}", advice))
    return findings or [ok(check, "not a superuser, not the owner of the tables")]


def _another_role(present: str) -> str:
    usual = Roles().application
    name = usual if present != usual else f"{usual}_rw"
    option = "" if name == usual else f" --application {name}"
    return (
        f"Run python -m app roles{option}, give the role {name} a password, and write both into DATABASE_URL; "
        "keep the current URL as DATABASE_DIRECT_URL, for migrations."
    )


CHECKS: Checks = {"access.role": _role}
