"""Check that no other role can plant operators, functions or tables where our statements would find them."""

from typing import Final

from sqlalchemy import RowMapping

from app.doctor.findings import Finding, error, ok
from app.doctor.subject import OUR_TABLES, Checks, Subject, table_names

_CHECK: Final = "access.planting"
# The owner of the tables, superusers and members of the owner's role can change the tables in any case.
_NOT_THE_OWNER: Final = (
    "exists (select from ours) and not exists (select from ours where pg_has_role({0}, relowner, 'usage'))"
)
_CREATORS: Final = """
with {ours}, holders as (
  select oid, {name} as place, {owner} as owner, grantee, pg_get_userbyid(grantee) as holder,
    case when pg_get_userbyid(grantee) = 'pg_database_owner'
      then (select datdba from pg_database where datname = current_database()) else grantee end as acting
  from {catalog}, aclexplode(coalesce({acl}, pg_catalog.acldefault('{kind}', {owner})))
  where privilege_type = 'CREATE' and {condition}
)
select quote_ident(cast(place as text)) as place, grantee = owner as is_owner,
  case when grantee = cast(0 as oid) then 'public' else quote_ident(cast(holder as text)) end as holder,
  (select quote_ident(cast(pg_get_userbyid(relowner) as text)) from ours limit 1) as ours
from holders where {stranger} order by place, holder"""
_OF_SCHEMAS: Final = _CREATORS.format(
    ours=OUR_TABLES, catalog="pg_namespace", name="nspname", owner="nspowner", acl="nspacl", kind="n",
    condition="nspname = any(current_schemas(false))", stranger=_NOT_THE_OWNER.format("acting"),
)  # fmt: skip
_OF_THE_DATABASE: Final = _CREATORS.format(
    ours=OUR_TABLES, catalog="pg_database", name="datname", owner="datdba", acl="datacl", kind="d",
    condition="datname = current_database()", stranger=_NOT_THE_OWNER.format("acting"),
)  # fmt: skip
_PLANTED: Final = f"""
with {OUR_TABLES}, foreign_names as (
  select pg_proc.tableoid as catalog, oid, pronamespace as schema, proowner as owner from pg_proc
  where exists (select from pg_proc as known where known.proname = pg_proc.proname
    and known.pronamespace = cast('pg_catalog' as regnamespace))
  union all
  select pg_operator.tableoid, oid, oprnamespace, oprowner from pg_operator
)
select object.type, object.identity from foreign_names join pg_namespace on pg_namespace.oid = schema,
  pg_identify_object(catalog, foreign_names.oid, 0) as object
where nspname = any(current_schemas(false)) and {_NOT_THE_OWNER.format("owner")}
order by object.type desc, object.identity"""  # noqa: S608 - constants
_MISSING_SCHEMAS: Final = """
select name from pg_catalog.unnest(cast(:names as text[])) as name
where not exists (select from pg_namespace where nspname = name) and not starts_with(name, 'pg_temp')"""


async def _planting(subject: Subject) -> list[Finding]:
    findings = [_creator(row) for row in await subject.rows(_OF_SCHEMAS, tables=table_names())]
    path = await _search_path(subject)
    if await subject.rows(_MISSING_SCHEMAS, names=path):
        findings += [_schema_maker(row, path) for row in await subject.rows(_OF_THE_DATABASE, tables=table_names())]
    if "pg_catalog" in path[1:]:
        found = f"search_path is {', '.join(path)}: system names are looked up in {path[0]} first"
        advice = (
            "Take pg_catalog out of search_path, where the role or the database sets it: it is then searched first."
        )
        findings.append(error(_CHECK, found, advice))
    findings += [_planted(row) for row in await subject.rows(_PLANTED, tables=table_names())]
    return findings or [ok(_CHECK, "only the owner can create objects in the schemas of the search_path")]


async def _search_path(subject: Subject) -> list[str]:
    role, setting = await subject.value("select current_user"), await subject.value("show search_path")
    return [part.strip().strip('"').replace("$user", role) for part in setting.split(",")]


def _creator(row: RowMapping) -> Finding:
    if row["is_owner"]:
        found = f"the role {row['holder']} owns the schema {row['place']}, but not the tables: it can plant an operator"
        return error(_CHECK, found, f"alter schema {row['place']} owner to {row['ours']};")
    found = f"{_named(row)} can create objects in the schema {row['place']}: an operator there reads other users' rows"
    return error(_CHECK, found, f"revoke create on schema {row['place']} from {row['holder']};")


def _schema_maker(row: RowMapping, path: list[str]) -> Finding:
    found = f"{_named(row)} can create schemas, and search_path ({', '.join(path)}) names one that does not exist"
    if row["is_owner"]:
        return error(_CHECK, found, f"alter database {row['place']} owner to {row['ours']};")
    return error(_CHECK, found, f"revoke create on database {row['place']} from {row['holder']};")


def _planted(row: RowMapping) -> Finding:
    found = f"the {row['type']} {row['identity']} has the name of a system object and another owner than the tables"
    return error(_CHECK, found, f"drop {row['type']} {row['identity']};")


def _named(row: RowMapping) -> str:
    return "every role" if row["holder"] == "public" else f"the role {row['holder']}"


CHECKS: Checks = {_CHECK: _planting}
