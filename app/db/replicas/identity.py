"""Which server answers, and of which others it is a copy."""

from typing import Final, NamedTuple

from sqlalchemy import BigInteger, Boolean, Text, text

from app.db.driver.sqlstates import MISSING_RIGHT
from app.db.engine.runner import Runner
from app.db.errors import DataAccessError
from app.db.query import Query, Record, WhenLost

SERVER: Final = "cast(cast(extract(epoch from pg_catalog.pg_postmaster_start_time()) as numeric) * 1000000.0 as bigint)"
"""A number for the server that runs the statement, in SQL. It is cheap, and any role may ask; a restart changes it."""

PROMOTED: Final = "it is no replica any more"
_SYSTEM: Final = "cast((pg_catalog.pg_control_system()).system_identifier as text)"
# A primary writes it into the name of each WAL file; a replica knows that of its last restart point.
_TIMELINE: Final = """case when pg_catalog.pg_is_in_recovery()
  then pg_catalog.lpad(pg_catalog.upper(pg_catalog.to_hex(greatest((pg_catalog.pg_control_checkpoint()).timeline_id,
    (pg_catalog.pg_control_recovery()).min_recovery_end_timeline))), 8, '0')
  else pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) end"""


def _asks(system: str, timeline: str) -> str:
    return f"""select {SERVER} as server, pg_catalog.pg_is_in_recovery() as is_replica,
        cast({system} as text) as system, cast({timeline} as text) as timeline"""


def _query(name: str, sql: str) -> Query[Record]:
    columns = {"server": BigInteger, "is_replica": Boolean, "system": Text, "timeline": Text}
    return Query(f"replicas.{name}", text(sql).columns(**columns), Record, WhenLost.NOT_DONE)


IDENTITY_SQL: Final = _asks(_SYSTEM, _TIMELINE)
"""What is asked of a server to compare it with another: the columns of an `Identity`."""
IDENTITY_FUNCTIONS: Final = ("pg_control_system()", "pg_control_checkpoint()", "pg_control_recovery()")
"""The functions in it that a role may be forbidden to call."""
_IDENTITY: Final = _query("identity", IDENTITY_SQL)
_WITHOUT_RIGHTS: Final = _query("identity_without_rights", _asks("null", "null"))


class Identity(NamedTuple):
    """A server, and the history that it has; of what its role may not ask nothing is known."""

    server: int
    is_replica: bool
    system: str | None
    """Of a server and all its copies."""
    timeline: str | None
    """Each promotion begins another one."""

    def objection(self, primary: "Identity") -> str | None:
        """Return why it cannot stand in for the primary; None if nothing is known that speaks against it."""
        if not self.is_replica:
            return PROMOTED
        pairs = ((self.system, primary.system), (self.timeline, primary.timeline))
        is_copy = all(own is None or its is None or own == its for own, its in pairs)
        return None if is_copy else "it is a copy of another server than the primary, or of another timeline"


async def identity_of(runner: Runner) -> Identity:
    """Ask the server of a runner. Raises a `DataAccessError`."""
    try:
        (found,) = await runner.run(_IDENTITY, {})
    except DataAccessError as error:
        if error.sqlstate != MISSING_RIGHT:
            raise
        (found,) = await runner.run(_WITHOUT_RIGHTS, {})
    return Identity(**found)
