"""Every way to write a task of a user."""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

from sqlalchemy import insert, text

from app.db import Database
from app.db.models import Task, TaskCreate
from app.repositories import TaskRepo

Write = Callable[[Database, str], Awaitable[object]]
_DATA: Final = TaskCreate(title="Buy milk")
_SQL: Final = text("insert into task (user_id, title) values (:user_id, 'Buy milk')")


async def _by_repository(db: Database, user_id: str) -> None:
    await TaskRepo(db).create(user_id, _DATA)


async def _with_a_key(db: Database, user_id: str) -> None:
    await TaskRepo(db).create(user_id, _DATA, idempotency_key=uuid4())


async def _repository_in_a_transaction(db: Database, user_id: str) -> None:
    async with db.transaction() as session:
        await TaskRepo(session).create(user_id, _DATA)


async def _repository_and_others_in_a_transaction(db: Database, user_id: str) -> None:
    async with db.transaction() as session:
        await TaskRepo(session).create(f"{user_id} too", _DATA)
        await session.execute(_SQL, {"user_id": user_id})


async def _in_a_savepoint(db: Database, user_id: str) -> None:
    async with db.transaction() as session, session.begin_nested():
        await TaskRepo(session).create(user_id, _DATA)


async def _of_a_known_user(db: Database, user_id: str) -> None:
    async with db.transaction(user_id=user_id) as session:
        await TaskRepo(session).create(user_id, _DATA)


async def _run_in_a_transaction(db: Database, user_id: str) -> None:
    await db.run_in_transaction(lambda session: TaskRepo(session).create(user_id, _DATA))


async def _by_flush(db: Database, user_id: str) -> None:
    async with db.transaction() as session:
        session.add(Task(user_id=user_id, title="Buy milk"))


async def _by_core(db: Database, user_id: str) -> None:
    async with db.transaction() as session:
        await session.execute(insert(Task).values(user_id=user_id, title="Buy milk"))


async def _on_the_sessions_connection(db: Database, user_id: str) -> None:
    async with db.transaction() as session:
        await (await session.connection()).execute(_SQL, {"user_id": user_id})


async def _by_a_plain_session(db: Database, user_id: str) -> None:
    async with db.sessionmaker() as session:
        session.add(Task(user_id=user_id, title="Buy milk"))
        await session.commit()


async def _by_the_engine(db: Database, user_id: str) -> None:
    async with db.engine.begin() as connection:
        await connection.exec_driver_sql(f"insert into task (user_id, title) values ('{user_id}', 'Buy milk')")


async def _by_execute(db: Database, user_id: str) -> None:
    await db.execute(_SQL, {"user_id": user_id})


async def _by_execute_of_core(db: Database, user_id: str) -> None:
    await db.execute(insert(Task).values(user_id=user_id, title="Buy milk"))


async def _by_execute_of_a_writing_cte(db: Database, user_id: str) -> None:
    new = insert(Task).values(user_id=user_id, title="Buy milk").returning(Task.id).cte()
    await db.execute(new.select())


async def _by_execute_of_many(db: Database, user_id: str) -> None:
    await db.execute(_SQL, [{"user_id": user_id}])


WAYS: Final[dict[str, Write]] = {
    name.removeprefix("_").replace("_", " "): function
    for name, function in list(globals().items())
    if name.startswith(("_by_", "_with_", "_repository_", "_in_", "_of_", "_run_", "_on_"))
}
