"""Whether there are as many connections as the pools of all instances may want."""

from typing import Final

from sqlalchemy import RowMapping

from app.doctor.findings import Finding, error, note, ok, warning
from app.doctor.subject import Checks, Subject

_NEON_KEEPS: Final = 7
_SUSPENDS_AFTER_SECONDS: Final = 300
_NEARLY_ALL: Final = 0.8
_LIMITS: Final = """
select current_setting('max_connections')::int as max_connections,
       current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true)::int, 0) as reserved,
       (select rolconnlimit from pg_roles where rolname = current_user) as role_limit,
       (select datconnlimit from pg_database where datname = current_database()) as database_limit,
       (select sum(numbackends)::int from pg_stat_database where datid > 0) as in_use"""


async def _pools(subject: Subject) -> list[Finding]:
    check, size, instances = "capacity.pools", subject.settings.pool_size, subject.instances
    wanted = size * instances
    limits = await _limits(subject)
    arithmetic = f"{instances} x pool of {size} = {wanted}"
    if subject.behind_pooler:
        return [ok(check, f"{arithmetic} clients of the pooler, which shares {_described(subject, limits)} among them")]
    found = f"{arithmetic} of {_described(subject, limits)}"
    usable = _usable(subject, limits)
    if wanted <= usable:
        return [ok(check, found)]
    advice = (
        f"Set DATABASE_POOL_SIZE to {max(usable // instances, 1)}, or use the pooled URL: the rest will be refused."
    )
    return [error(check, found, advice)]


async def _in_use(subject: Subject) -> list[Finding]:
    check, limits = "capacity.in_use", await _limits(subject)
    usable = _usable(subject, limits)
    found = f"{limits['in_use']} connections are open now, of {usable}"
    if limits["in_use"] <= usable * _NEARLY_ALL:
        return [ok(check, found)]
    who = "select application_name, state, count(*) from pg_stat_activity group by 1, 2 order by 3 desc;"
    return [warning(check, found, f"See whose they are: {who}")]


async def _sleep(subject: Subject) -> list[Finding]:
    """Compare the age of connections with the time after which Neon ends them."""
    if not subject.on_neon:
        return []
    seconds = subject.settings.pool_recycle_seconds
    found = f"connections are replaced after {seconds:g} s, Neon suspends after {_SUSPENDS_AFTER_SECONDS} s without one"
    if seconds < _SUSPENDS_AFTER_SECONDS:
        return [ok("capacity.recycle", found)]
    return [note("capacity.recycle", found, "Set DATABASE_POOL_RECYCLE_SECONDS=240.")]


async def free_connections(subject: Subject) -> int:
    """Return how many more connections the server would take now."""
    limits = await _limits(subject)
    return _usable(subject, limits) - int(limits["in_use"])


async def _limits(subject: Subject) -> RowMapping:
    return (await subject.rows(_LIMITS))[0]


def _usable(subject: Subject, limits: RowMapping) -> int:
    own = [limits[name] for name in ("role_limit", "database_limit") if limits[name] is not None and limits[name] >= 0]
    return int(min(limits["max_connections"] - _kept_back(subject, limits), *own, limits["max_connections"]))


def _kept_back(subject: Subject, limits: RowMapping) -> int:
    return max(int(limits["reserved"]), _NEON_KEEPS if subject.on_neon else 0)


def _described(subject: Subject, limits: RowMapping) -> str:
    words = f"{_usable(subject, limits)} usable connections (max_connections {limits['max_connections']}"
    for name in ("role_limit", "database_limit"):
        if limits[name] is not None and limits[name] >= 0:
            words += f", {name.replace('_', ' ')} {limits[name]}"
    return words + ")"


CHECKS: Checks = {
    "capacity.pools": _pools,
    "capacity.in_use": _in_use,
    "capacity.recycle": _sleep,
}
