"""Databases on a cluster of Citus: the nodes that the server knows of, or the server alone."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.engine import URL, make_url

from app.db import Database, DatabaseSettings

_HAS_IT = "select count(*) > 0 from pg_available_extensions where name = 'citus'"
_PRELOADED = "select coalesce(current_setting('citus.version', true), '') <> ''"
_NODES = "select nodename, nodeport, groupid from pg_dist_node where noderole = 'primary' order by groupid"
_KNOWS_NODES = "select exists (select from pg_extension where extname = 'citus')"


async def has_citus(url: str) -> bool:
    """Return whether the server can shard."""
    async with _open(url) as db:
        return bool(await _value(db, _HAS_IT)) and bool(await _value(db, _PRELOADED))


@asynccontextmanager
async def citus_database(server_url: str) -> AsyncIterator[str]:
    """Create a database with the extension on each node, and yield the URL on the entry node; drop it at the end."""
    name = f"test_{uuid4().hex[:12]}"
    async with _open(server_url) as server:
        nodes: list[Any] = (
            list((await server.execute(text(_NODES))).all()) if await _value(server, _KNOWS_NODES) else []
        )
    entry, workers = [each for each in nodes if not each.groupid], [each for each in nodes if each.groupid]
    servers = [
        make_url(server_url),
        *(make_url(server_url).set(host=each.nodename, port=each.nodeport) for each in workers),
    ]
    async with AsyncExitStack() as stack:
        for url in servers:
            await stack.enter_async_context(_created(url, name))
        there = _written(make_url(server_url).set(database=name))
        async with _open(there) as db:
            for each in entry if workers else ():  # named, a node without workers keeps no shards
                await db.execute(text(f"select citus_set_coordinator_host('{each.nodename}', {each.nodeport})"))
            for each in workers:
                await db.execute(text(f"select citus_add_node('{each.nodename}', {each.nodeport})"))
        yield there


@asynccontextmanager
async def _created(server: URL, name: str) -> AsyncIterator[None]:
    async with _open(_written(server)) as db:
        await db.execute(text(f"create database {name} template template0"))
        try:
            async with _open(_written(server.set(database=name))) as there:
                await there.execute(text("create extension citus"))
            yield
        finally:
            await db.execute(text(f"drop database {name} with (force)"))


def _open(url: str) -> Database:
    return Database(DatabaseSettings(url=url, pool_size=2))


def _written(url: URL) -> str:
    return url.render_as_string(hide_password=False)


async def _value(db: Database, sql: str) -> Any:
    return (await db.execute(text(sql))).scalar_one()
