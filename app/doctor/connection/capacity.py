"""Check that the server allows as many connections as the pools of all instances may open."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.doctor.findings import Finding, error, note, ok, warning
from app.doctor.subject import Checks, Subject

_NEON_KEEPS: Final = 7
_SUSPENDS_AFTER_SECONDS: Final = 300
_NEARLY_ALL: Final = 0.8
# Each limit with what counts against it; pg_stat_activity shows the role of each connection to everyone.
_LIMITS: Final = """
select 'max_connections' as name, current_setting('max_connections')::int as total,
  current_setting('superuser_reserved_connections')::int
  + coalesce(current_setting('reserved_connections', true)::int, 0) as kept,
  (select sum(numbackends)::int from pg_stat_database where datid <> cast(0 as oid)) as in_use
union all
select 'connection limit of the role', rolconnlimit, 0,
  (select count(*)::int from pg_stat_activity where usesysid = pg_roles.oid)
from pg_roles where rolname = current_user and rolconnlimit >= 0
union all
select 'connection limit of the database', datconnlimit, 0, pg_stat_get_db_numbackends(oid)
from pg_database where datname = current_database() and datconnlimit >= 0"""


@dataclass(frozen=True, slots=True)
class _Limit:
    """One of the limits on connections, and how much of it is taken."""

    name: str
    total: int
    kept: int
    in_use: int

    @property
    def usable(self) -> int:
        return self.total - self.kept

    @property
    def free(self) -> int:
        return self.usable - self.in_use


async def _pools(subject: Subject) -> list[Finding]:
    check, size, instances = "capacity.pools", subject.settings.pool_size, subject.instances
    wanted = size * instances
    tightest = min(await _limits(subject), key=lambda limit: limit.usable)
    room = f"{tightest.usable} usable connections ({tightest.name} {tightest.total})"
    arithmetic = f"{instances} x pool of {size} = {wanted}"
    if subject.behind_pooler:
        return [ok(check, f"{arithmetic} clients of the pooler, which shares {room} among them")]
    found = f"{arithmetic} of {room}"
    if wanted <= tightest.usable:
        return [ok(check, found)]
    fitting = max(tightest.usable // instances, 1)
    advice = f"Set DATABASE_POOL_SIZE to {fitting}, or use the pooled URL: the server refuses more."
    return [error(check, found, advice)]


async def _in_use(subject: Subject) -> list[Finding]:
    check, fullest = "capacity.in_use", min(await _limits(subject), key=lambda limit: limit.free)
    found = f"{fullest.in_use} of {fullest.usable} connections are in use ({fullest.name})"
    if fullest.in_use <= fullest.usable * _NEARLY_ALL:
        return [ok(check, found)]
    who = "select usename, application_name, state, count(*) from pg_stat_activity group by 1, 2, 3 order by 4 desc;"
    return [warning(check, found, f"To see who uses them: {who}")]


async def _sleep(subject: Subject) -> list[Finding]:
    """Compare the connections' maximum age with the time after which Neon closes them."""
    if not subject.on_neon:
        return []
    seconds = subject.settings.pool_recycle_seconds
    found = f"connections are replaced after {seconds:g} s; Neon suspends after {_SUSPENDS_AFTER_SECONDS} s without one"
    if seconds < _SUSPENDS_AFTER_SECONDS:
        return [ok("capacity.recycle", found)]
    return [note("capacity.recycle", found, "Set DATABASE_POOL_RECYCLE_SECONDS=240.")]


async def free_connections(subject: Subject) -> int:
    """Return how many more connections the server would accept now from this role to this database."""
    return min(limit.free for limit in await _limits(subject))


async def _limits(subject: Subject) -> Sequence[_Limit]:
    server, *others = [_Limit(**row) for row in await subject.rows(_LIMITS)]
    kept = max(server.kept, _NEON_KEEPS if subject.on_neon else 0)
    return [_Limit(server.name, server.total, kept, server.in_use), *others]


CHECKS: Checks = {
    "capacity.pools": _pools,
    "capacity.in_use": _in_use,
    "capacity.recycle": _sleep,
}
