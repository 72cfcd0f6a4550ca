"""Measure forms of appending that leave indexes alone, in SQL alone: `python -m benchmarks.hot`; needs Linux.

Each of 2,000 conversations has ten turns, two minutes apart, within an hour. Nothing is vacuumed.
"""

import json
import random
from dataclasses import dataclass
from typing import Any

import asyncpg
import uvloop

from app.doctor.measuring.explain import Plan
from benchmarks.processes import processor_seconds
from benchmarks.server import create_database, server
from benchmarks.sql import APPEND, UPDATE

_USERS, _EACH, _TURNS = 200, 10, 10
_FILL = "insert into conversation (user_id) select 'user-' || n % $1::int from generate_series(0, $2::int - 1) n"
_WITHOUT = "drop index ix_conversation_user_id_updated_at_id;"
_ROOM = "alter table conversation set (fillfactor = 80)"
_COARSE = f"""{_WITHOUT}
alter table conversation add active bigint not null default 0;
create index conversation_active on conversation (user_id, active, id)"""
_APART = f"""{_WITHOUT}
create table activity (user_id varchar(255), conversation_id bigint, updated_at timestamptz not null default now(),
  primary key (user_id, conversation_id),
  foreign key (user_id, conversation_id) references conversation (user_id, id) on delete cascade);
create trigger set_updated_at before update on activity for each row execute function set_updated_at();
insert into activity select user_id, id from conversation;
create index on activity (user_id, updated_at, conversation_id)"""
_APPEND_COARSE = APPEND.replace("updated_at = updated_at", "active = $5")
_APPEND_APART = APPEND.replace("update conversation", "update activity").replace(
    "id = $2 returning user_id, id,", "conversation_id = $2 returning user_id, conversation_id as id,"
)
_PAGE = "select id from conversation where user_id = $1 order by {} limit 51"
_LATEST, _LATEST_COARSE = "updated_at desc, id desc", "active desc, updated_at desc, id desc"

_TASK_ROWS = 50_000
_TASKS = "insert into task (user_id, title) select 'user-' || n % 500, 'Task ' || n from generate_series(1, $1::int) n"
_TASK_SIZE = "select pg_total_relation_size('task')"
_TASK_HOT = "select n_tup_hot_upd::float / n_tup_upd from pg_stat_user_tables where relname = 'task'"


@dataclass(frozen=True)
class Form:
    """One form of the append, as what is changed of the schema."""

    name: str
    schema: str
    append: str
    order: str = _LATEST
    touched: str = "conversation"
    seconds: int = 0
    """What the times are rounded to in a column that is indexed; 0 is no such column."""

    async def row(self, connection: Any) -> str:
        """Append everything; return what it took as a row of a table."""
        await connection.execute(_FILL, _USERS, _USERS * _EACH)
        if self.schema:
            await connection.execute(self.schema)
        await connection.execute("vacuum full analyze conversation")
        owners = dict(await connection.fetch("select id, user_id from conversation"))
        append = await connection.prepare(self.append)
        pid, events = connection.get_server_pid(), _events(list(owners))
        place, spent = await connection.fetchval("select pg_current_wal_insert_lsn()"), processor_seconds(pid)
        for at, conversation in events:
            bucket = (at // self.seconds,) if self.seconds else ()
            await append.fetchrow(owners[conversation], conversation, "user", "hello " * 20, *bucket)
        processor = (processor_seconds(pid) - spent) / len(events) * 1e6
        wal = int(await connection.fetchval("select pg_current_wal_insert_lsn() - $1::pg_lsn", place)) / len(events)
        return f"| {self.name} | {wal:,.0f} | {processor:.0f} | {await self._left(connection)}"

    async def _left(self, connection: Any) -> str:
        await connection.execute("select pg_stat_force_next_flush()")
        hot = await connection.fetchval(
            "select n_tup_hot_upd::float / n_tup_upd from pg_stat_user_tables where relname = $1", self.touched
        )
        entries, size = await connection.fetchrow(
            "select sum((pgstattuple(indexrelid)).tuple_count)::bigint, sum(pg_relation_size(indexrelid))::bigint"
            " from pg_index where indrelid = $1::text::regclass",
            self.touched,
        )
        rows = await connection.fetchval(f"select count(*) from {self.touched}")
        return f"{hot:.0%} | {entries / rows:.1f} | {size / 1e3:,.0f} kB |"

    async def page(self, connection: Any) -> tuple[int, int, bool]:
        """Return the buffers of a page, those after all its user's conversations were active at once, and its order."""
        sql = _PAGE.format(self.order)
        found = await connection.fetch(sql, "user-1") == await connection.fetch(_PAGE.format(_LATEST), "user-1")
        before = await _buffers(connection, sql)
        await connection.execute("insert into conversation (user_id) select 'user-1' from generate_series(1, 10000)")
        await connection.execute("update conversation set updated_at = updated_at where user_id = 'user-1'")
        if self.seconds:
            await connection.execute("update conversation set active = 1000 where user_id = 'user-1'")
        await connection.execute("vacuum full analyze conversation")
        return before, await _buffers(connection, sql), found


_FORMS = (
    Form("today", "", APPEND),
    Form("today, `fillfactor` 80", _ROOM, APPEND),
    Form("activity in a table of its own", _APART, _APPEND_APART, touched="activity"),
    Form("rounded to a minute", _COARSE, _APPEND_COARSE, order=_LATEST_COARSE, seconds=60),
    Form("rounded to a minute, `fillfactor` 80", _COARSE + "; " + _ROOM, _APPEND_COARSE, _LATEST_COARSE, seconds=60),
    Form("rounded to an hour", _COARSE, _APPEND_COARSE, order=_LATEST_COARSE, seconds=3600),
)


def _events(conversations: list[int]) -> list[tuple[int, int]]:
    """Return the second and the conversation of each append: a question, and its answer 15 seconds later."""
    chosen, found = random.Random(1), []
    for conversation in conversations:
        begin = chosen.randrange(2400)
        for turn in range(_TURNS):
            found += [(begin + 120 * turn, conversation), (begin + 120 * turn + 15, conversation)]
    return sorted(found)


async def _buffers(connection: Any, sql: str) -> int:
    explained = await connection.fetchval(f"explain (analyze, buffers, format json) {sql}", "user-1")
    return Plan.of(json.loads(explained)[0]).buffers or 0


async def _measure(port: int) -> None:
    print("| form | WAL, bytes | processor, µs | HOT | entries of its indexes for each row | their size |")
    print("|---|---|---|---|---|---|")
    pages = []
    for number, form in enumerate(_FORMS):
        connection = await asyncpg.connect(await create_database(port, f"form-{number}"), timeout=60)
        await connection.execute("create extension pgstattuple")
        print(await form.row(connection), flush=True)
        if form.touched == "conversation":
            pages.append((form.name, *await form.page(connection)))
        await connection.close()
    print("\n| form | buffers of a page | of 10,000 that were active at once | same order |\n|---|---|---|---|")
    for name, before, after, same in pages:
        print(f"| {name} | {before} | {after} | {'yes' if same else 'no'} |")


async def _task_row(connection: Any, fillfactor: int, updates: int) -> str:
    """Change the titles of tasks chosen at random; return what it took as a row of a table."""
    await connection.execute(f"alter table task set (fillfactor = {fillfactor})")
    await connection.execute(_TASKS, _TASK_ROWS)
    await connection.execute("vacuum analyze task")
    owners = await connection.fetch("select user_id, id from task order by id")
    update, pid, chosen = await connection.prepare(UPDATE), connection.get_server_pid(), random.Random(1)
    size = await connection.fetchval(_TASK_SIZE)
    place, spent = await connection.fetchval("select pg_current_wal_insert_lsn()"), processor_seconds(pid)
    for number in range(updates):
        await update.fetchrow(*chosen.choice(owners), f"Task, changed {number}")
    processor = (processor_seconds(pid) - spent) / updates * 1e6
    wal = int(await connection.fetchval("select pg_current_wal_insert_lsn() - $1::pg_lsn", place)) / updates
    await connection.execute("select pg_stat_force_next_flush()")
    hot = await connection.fetchval(_TASK_HOT)
    after = await connection.fetchval(_TASK_SIZE)
    return f"| {fillfactor} | {wal:,.0f} | {processor:.0f} | {hot:.0%} | {size / 1e6:.1f} MB | {after / 1e6:.1f} MB |"


async def _measure_tasks(port: int) -> None:
    print("\n| `fillfactor` | WAL, bytes | processor, µs | HOT | table and indexes before | after |")
    print("|---|---|---|---|---|---|")
    for fillfactor in (100, 90, 80):
        connection = await asyncpg.connect(await create_database(port, f"tasks-{fillfactor}"), timeout=60)
        print(await _task_row(connection, fillfactor, _TASK_ROWS), flush=True)
        await connection.close()


def main() -> None:
    """Print the tables of decision 22; takes two minutes."""
    with server() as postgres:
        uvloop.run(_measure(postgres.port))
        uvloop.run(_measure_tasks(postgres.port))


if __name__ == "__main__":
    main()
