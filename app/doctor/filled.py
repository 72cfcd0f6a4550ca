"""Tables as full as the specification asks, and what is asked of them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from sqlalchemy import Executable, select, text

from app.db import Database
from app.db.models.base import MAX_BIGINT
from app.db.plan import Plan, explain
from app.doctor.plans import any_parameters, statements
from app.doctor.structure import indexes_of
from app.doctor.subject import our_tables
from app.repositories import ConversationRepo, MessageRepo, TaskRepo

USER: Final = "user-1"
_USERS, _ROWS_EACH = 5, 10_000
_ROWS: Final = {"users": _USERS, "rows": _USERS * _ROWS_EACH}
_FILL: Final = (
    "truncate task, conversation, message",
    """insert into task (user_id, title, completed)
       select 'user-' || n % :users, 'task ' || n, n % 3 = 0 from generate_series(1, :rows) n""",
    "insert into conversation (user_id) select 'user-' || n % :users from generate_series(1, :rows) n",
    # Each message in a conversation of its user: the first hundred of them take them all.
    """insert into message (user_id, conversation_id, role, content)
       select user_id, id, 'user', 'message ' || n
       from (select user_id, id from conversation order by id limit 100) as active,
            generate_series(1, :rows / 100) n""",
)
_BY_USER: Final = text("select count(*) from message where user_id = :user_id")


async def fill(db: Database) -> None:
    """Fill the tables anew: five users, each with 10,000 rows of everything."""
    async with db.transaction() as session:
        for statement in _FILL:
            await session.execute(text(statement), _ROWS if ":rows" in statement else {})
    await db.execute(text("vacuum (analyze) task, conversation, message"))


async def queries(db: Database) -> Mapping[str, Callable[[], Awaitable[object]]]:
    """Return what is asked by user, each as a call without arguments."""
    tasks, conversations, messages = TaskRepo(db), ConversationRepo(db), MessageRepo(db)
    chat = await _a_conversation(db)
    return {
        "tasks.list_page": lambda: tasks.list_page(USER),
        "tasks.list_page(completed)": lambda: tasks.list_page(USER, completed=False),
        "tasks.count": lambda: tasks.count(USER),
        "conversations.list_page": lambda: conversations.list_page(USER),
        "conversations.count": lambda: conversations.count(USER),
        "messages.latest": lambda: messages.latest(USER, chat),
        "messages.list_page": lambda: messages.list_page(USER, chat),
        "messages by user": lambda: db.execute(_BY_USER, {"user_id": USER}),
    }


async def plans(db: Database) -> list[Plan]:
    """Return the plans of every statement, run and rolled back: the repositories', by user, and by primary key."""
    chat = await _a_conversation(db)
    asked: list[tuple[Executable, Mapping[str, Any]]] = [
        (statement, _parameters(name, statement, chat)) for name, statement in statements().items()
    ]
    asked += [(select(table).where(table.c.id == 1), {}) for table in our_tables()]
    asked.append((_BY_USER, {"user_id": USER}))
    async with db.engine.connect() as connection:
        return [await explain(connection, statement, values, analyze=True) for statement, values in asked]


def index_names() -> set[str]:
    """Return the indexes that the models name, those of keys and constraints included."""
    return {str(index.name) for table in our_tables() for index in indexes_of(table)}


async def _a_conversation(db: Database) -> int:
    statement = text("select conversation_id from message where user_id = :user_id limit 1")
    return int((await db.execute(statement, {"user_id": USER})).scalar_one())


def _parameters(name: str, statement: Executable, chat: int) -> dict[str, Any]:
    known = {
        "p_user_id": USER,
        "p_conversation_id": chat,
        "p_role": "user",
        "p_roles": ["user"],
        "p_limit": 51,
        "p_place": 0 if name == "messages.after" else MAX_BIGINT,
    }
    return {each: known.get(each, value) for each, value in any_parameters(statement).items()}
