"""200 callers while network and server fail in turn: what was acknowledged is stored exactly once."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import DataAccessError, OutcomeUnknownError
from app.db.migrations import upgrade
from app.db.models import TaskCreate
from app.repositories import TaskRepo
from tests.faults.conftest import KINDS
from tests.support.postgres import Postgres
from tests.support.proxy import FaultProxy
from tests.support.tls import Authority, certificate_folder, tls_server
from tests.support.waiting import until

CALLERS = 200
FAULTS_PAGE = Path(__file__).parents[2] / "docs/faults.md"


class Weather:
    """A server with TLS behind a proxy, and the faults of both."""

    def __init__(self, server: Postgres, proxy: FaultProxy) -> None:
        self.server = server
        self.proxy = proxy

    async def suspend(self) -> None:
        """Close every connection, refuse new ones for a while, then start slowly, as Neon does."""
        self.proxy.sleep(refusing_seconds=0.4, starting_seconds=0.6)
        await asyncio.sleep(1.5)

    async def restart_proxy(self) -> None:
        """Reset every connection, and refuse new ones for a while."""
        self.proxy.refusing = True
        self.proxy.reset()
        await asyncio.sleep(0.4)
        self.proxy.refusing = False
        await asyncio.sleep(0.6)

    async def tear(self) -> None:
        """Reset each connection at its n-th chunk, in the handshake and later."""
        for chunk in range(2, 12):
            self.proxy.torn_after_chunks = chunk
            self.proxy.reset()
            await asyncio.sleep(0.15)
        self.proxy.torn_after_chunks = None
        await asyncio.sleep(0.5)

    async def half_open(self) -> None:
        """Stop all traffic on the open connections."""
        self.proxy.swallow()
        await asyncio.sleep(1.5)


@pytest.fixture
async def weather() -> AsyncIterator[Weather]:
    """Run a migrated server with TLS behind a proxy."""
    with certificate_folder() as folder, tls_server(Authority(folder, "ours").issue("good", "localhost")) as server:
        await upgrade(DatabaseSettings(url=server.url()))
        async with FaultProxy(server.tcp_url()).running() as proxy:
            yield Weather(server, proxy)


class Ledger:
    """What was acknowledged, what is unknown, and every error by its kind of call, kept outside the database."""

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self.unknown: set[str] = set()
        self.errors: Counter[tuple[str, str]] = Counter()

    async def record(self, kind: str, title: str, call: Awaitable[object]) -> None:
        """Make the call, which writes `title` unless it is a read, and record its outcome."""
        try:
            await call
        except DataAccessError as error:
            self.errors[kind, type(error).__name__] += 1
            if isinstance(error, OutcomeUnknownError):
                self.unknown.add(title)
        else:
            self.acknowledged |= {title} if kind != "read" else set()


def _call(db: Database, user_id: str, kind: str, title: str) -> Awaitable[object]:
    tasks, data = TaskRepo(db), TaskCreate(title=title)
    match kind:
        case "read":
            return tasks.list_page(user_id, limit=5)
        case "write":
            return tasks.create(user_id, data)
        case "keyed":
            return tasks.create(user_id, data, idempotency_key=uuid4())
        case _:
            return db.run_in_transaction(lambda session: TaskRepo(session).create(user_id, data))


@pytest.mark.fault(
    row=28,
    name="suspended, restarted, torn and half open, with 200 callers",
    read="served",
    write="served, or OutcomeUnknownError",
    keyed="served, one row each",
    transaction="served, or OutcomeUnknownError",
)
async def test_nothing_acknowledged_is_lost_and_nothing_is_doubled(weather: Weather) -> None:
    """Suspend and resume, proxy restart, torn TLS, half-open connections: reads and keyed writes never fail."""
    ledger, over = Ledger(), asyncio.Event()
    settings = DatabaseSettings(
        url=weather.proxy.url(sslmode="require"),
        command_timeout_seconds=3,
        ping_after_idle_seconds=0.2,
        ping_timeout_seconds=0.5,
    )

    async def caller(db: Database, user_id: str) -> None:
        chance = random.Random(user_id)
        while not over.is_set():
            kind, title = chance.choice((*KINDS, "keyed")), uuid4().hex
            await ledger.record(kind, title, _call(db, user_id, kind, title))
            await asyncio.sleep(chance.random() * 0.5)

    async with Database(settings) as db:
        callers = [asyncio.ensure_future(caller(db, f"user-{number}")) for number in range(CALLERS)]
        await until(lambda: len(ledger.acknowledged) > 0)
        for event in (weather.suspend, weather.restart_proxy, weather.tear, weather.half_open, weather.suspend):
            await event()
        await until(lambda: len(ledger.acknowledged) > CALLERS)
        over.set()
        await asyncio.gather(*callers)
        assert db.pool_status().in_use == 0
    async with Database(DatabaseSettings(url=weather.server.url())) as admin:
        counted = await admin.execute(text("select title, count(*) as times from task group by title"))
        rows: dict[str, int] = {row.title: row.times for row in counted}
    assert ledger.acknowledged - rows.keys() == set()
    assert rows.keys() - ledger.acknowledged - ledger.unknown == set()
    assert set(rows.values()) == {1}
    assert {kind for kind, _ in ledger.errors} <= {"write", "transaction"}, ledger.errors
    assert {error for _, error in ledger.errors} <= set(re.findall(r"\w+Error", FAULTS_PAGE.read_text()))
