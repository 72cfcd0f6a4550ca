"""Why a database cannot be sharded as it is, and what to do about it."""

from collections.abc import Iterable, Iterator
from typing import Final

from app.db.errors import ConfigurationError
from app.db.migrations.sharding.state import Sharding
from app.db.models.base import owned_tables
from app.db.target.settings import DatabaseSettings

NO_EXTENSION: Final = (
    "this server does not have the Citus extension, so it cannot be sharded. Use one that has it: the image "
    "citusdata/citus (docker compose --profile citus up -d citus), Citus' packages, or Azure's managed service"
)
NOT_CREATED: Final = (
    "the server has the Citus extension, but the database does not. As a superuser, in this database: "
    "create extension citus; then select citus_set_coordinator_host('HOST', PORT), as the workers reach this server, "
    "and select citus_add_node('WORKER', PORT) for each worker, in whose database the extension was created too"
)


def refuse(state: Sharding) -> None:
    """Raise `ConfigurationError` with the first thing that stands in the way, before anything is changed."""
    for problem in _problems(state):
        raise ConfigurationError(problem)


def refuse_without_setting(settings: DatabaseSettings) -> None:
    """Raise `ConfigurationError` unless the application can work with shards."""
    if not settings.sharded:
        raise ConfigurationError(
            "the functions that a sharded database needs are there now, the tables are as before. Deploy the "
            "application with DATABASE_SHARDED=true, which works before and after, set it here too, and run this again"
        )


def _problems(state: Sharding) -> Iterator[str]:
    if not state.available and not state.installed:
        yield NO_EXTENSION
    if not state.installed:
        yield NOT_CREATED
    if not state.is_entry:
        yield f"this is a worker: connect to the entry node{f', {state.entry}' if state.entry else ''}"
    if not state.has_place:
        yield (
            "no node may keep shards: select citus_add_node('WORKER', PORT) for each worker; without workers, so that "
            "this server keeps them: select citus_set_node_property(nodename, nodeport, 'shouldhaveshards', true) "
            "from pg_dist_node"
        )
    if missing := {table.name for table in owned_tables()} - state.existing:
        yield f"the database has no {_listed(missing)}: run python -m app migrate first"
    if state.guarded:
        yield (
            f"{_listed(state.guarded)} has row-level security, which shards exclude: run python -m app rls off, deploy "
            "without DATABASE_ROW_LEVEL_SECURITY, and run this again"
        )
    if state.partitioned:
        yield f"{_listed(state.partitioned)} is partitioned: Citus shards plain tables only"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
