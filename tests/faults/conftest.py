"""A server that tests may break, a proxy in front of it, and the four kinds of call that run meanwhile."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database, DatabaseSettings
from app.db.errors import DataAccessError
from app.db.migrations import upgrade
from app.db.models import TaskCreate
from app.repositories import TaskRepo
from tests.support.postgres import Postgres
from tests.support.proxy import FaultProxy


@pytest.fixture(scope="session")
def own_server() -> Iterator[Postgres]:
    """Run a server that tests may stop and start; it keeps its data and its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        settings = {"fsync": "off", "max_connections": "60"}
        with Postgres(Path(folder) / "server", settings=settings, port=port) as server:
            yield server


@pytest.fixture
async def migrated_server(own_server: Postgres) -> Postgres:
    """Return that server, running and at head."""
    own_server.start()
    async with Database(DatabaseSettings(url=own_server.url())) as db:
        await upgrade(db.engine)
    return own_server


@dataclass
class Lab:
    """The server, the proxy in front of it, and a Database that goes through the proxy."""

    server: Postgres
    proxy: FaultProxy
    admin: Database
    db: Database
    user_id: str

    async def end_sessions(self) -> None:
        """Have the server close every connection but the admin's, as when it scales to zero."""
        ended = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lab'"
        async with self.proxy.ending():
            await self.admin.execute(text(ended))

    async def reset(self) -> None:
        """Reset all connections with RST, and wait until the client has seen it."""
        async with self.proxy.ending():
            self.proxy.reset()

    @asynccontextmanager
    async def tasks_locked(self) -> AsyncIterator[None]:
        """Block every statement on `task` until the end of the block."""
        async with self.admin.engine.begin() as holder:
            await holder.execute(text("lock table task in access exclusive mode"))
            yield

    async def rows(self) -> int:
        """Return the number of tasks of this lab's user."""
        statement = text("select count(*) from task where user_id = :user_id")
        return int((await self.admin.execute(statement, {"user_id": self.user_id})).scalar_one())

    async def call(self, kind: str) -> str:
        """Make a call of one of the four kinds; return ``served`` or the name of its error."""
        try:
            await getattr(self, f"_{kind}")()
        except DataAccessError as error:
            return type(error).__name__
        except asyncio.CancelledError:
            return "CancelledError"
        return "served"

    async def _read(self) -> None:
        await TaskRepo(self.db).list_page(self.user_id)

    async def _write(self) -> None:
        await TaskRepo(self.db).create(self.user_id, TaskCreate(title="Plain"))

    async def _keyed(self) -> None:
        await TaskRepo(self.db).create(self.user_id, TaskCreate(title="Keyed"), idempotency_key=uuid4())

    async def _transaction(self) -> None:
        async def one(session: AsyncSession) -> None:
            await TaskRepo(session).create(self.user_id, TaskCreate(title="In a transaction"))

        await self.db.run_in_transaction(one)


KINDS = ("read", "write", "keyed", "transaction")


@pytest.fixture
async def lab(migrated_server: Postgres, user_id: str) -> AsyncIterator[Lab]:
    """Return a lab with a warm Database; check afterwards that no connection is borrowed and everything works again."""
    async with FaultProxy(migrated_server.tcp_url()).running() as proxy:
        settings = DatabaseSettings(
            url=proxy.url(),
            application_name="lab",
            pool_size=5,
            pool_timeout_seconds=0.5,
            retry_seconds=3,
            connect_timeout_seconds=2,
            command_timeout_seconds=2,
            ping_after_idle_seconds=0.05,
            ping_timeout_seconds=0.3,
        )
        async with Database(DatabaseSettings(url=migrated_server.url())) as admin, Database(settings) as db:
            await asyncio.gather(*(TaskRepo(db).count(user_id) for _ in range(5)))
            yield Lab(migrated_server, proxy, admin, db, user_id)
            assert db.pool_status().in_use == 0
            assert await TaskRepo(db).count(user_id) >= 0
