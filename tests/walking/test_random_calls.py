"""No user sees or changes another user's row: random calls of several users against a plain Python model."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule, run_state_machine_as_test

from app.db import Database
from app.db.errors import MissingReferenceError, NotFoundError
from app.db.models import MessageCreate, MessageRead
from app.repositories import ConversationRepo, MessageRepo, Repository
from app.repositories.registry import repositories
from tests.support.calls import Call, data_model, parents_of
from tests.support.values import value_of

USERS = st.integers(0, 2)
LIMIT = st.integers(1, 5)
NUMBER = st.integers(0, 3)
TEXT = st.sampled_from(["milk", "bread", "eggs"])
Place = tuple[type[Repository[Any]], int]
USUAL: Final = [each for each in repositories() if hasattr(each, "usual")]
BY_TABLE: Final = {each.entity.table.name: each for each in repositories()}
UPDATED: Final = [each for each in USUAL if each.usual.update]


def _data(
    repository: type[Repository[Any]], method: str, n: int, given: Mapping[str, Any] = MappingProxyType({})
) -> tuple[Any, ...]:
    """Return the `data` of a call, if it takes any, with the columns that are `given`."""
    model = data_model(Call(repository, method))
    return (value_of(model, n, given),) if model else ()


class Users(RuleBasedStateMachine):
    """Three users who know each other's ids; `self.rows` and `self.messages` hold what each may see."""

    places = Bundle("places")
    updated = places.filter(lambda place: place[0] in UPDATED)
    conversations = places.filter(lambda place: place[0] is ConversationRepo)

    def __init__(self, db: Database, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.db, self.loop = db, loop
        self.names = [f"user-{uuid4().hex}" for _ in range(3)]
        self.rows: dict[Place, Any] = {}
        self.messages: dict[int, list[MessageRead]] = {}

    def repository(self, place: Place) -> Any:
        """Return the repository of a row."""
        return place[0](self.db)

    def run(self, call: Awaitable[Any]) -> Any:
        """Wait for a call."""
        return self.loop.run_until_complete(call)

    def pages(self, list_page: Callable[..., Awaitable[Any]], *arguments: Any, **more: Any) -> list[Any]:
        """Return the rows of all pages."""
        page = self.run(list_page(*arguments, **more))
        seen = list(page.items)
        while page.next_cursor:
            page = self.run(list_page(*arguments, after=page.next_cursor, **more))
            seen += page.items
        return seen

    def refused(self, call: Awaitable[Any], error: type[Exception]) -> None:
        """Check that a call finds nothing."""
        with pytest.raises(error):
            self.run(call)

    def own(self, user: int, place: Place) -> Any:
        """Return the row if it is there and the user's."""
        row = self.rows.get(place)
        return row if row and row.user_id == self.names[user] else None

    def forget(self, place: Place) -> None:
        """Forget a row that was deleted, and those that were deleted with it."""
        del self.rows[place]
        for repository, id in list(self.rows):  # noqa: A001 - as the column is called
            parents = parents_of(repository.entity.table)
            columns = [name for name, of in parents.items() if BY_TABLE[of] is place[0]]
            row = self.rows.get((repository, id))
            if row and any(getattr(row, name) == place[1] for name in columns):
                self.forget((repository, id))

    def all_of(self, user: int, repository: type[Repository[Any]]) -> list[Any]:
        """Return the user's rows in the order of the entity's pages."""
        times = [name.removeprefix("p_") for name in repository.usual.order.first() if name != "p_place"]
        own = [row for (kind, _), row in self.rows.items() if kind is repository and row.user_id == self.names[user]]
        return sorted(own, key=lambda row: [*(getattr(row, time) for time in times), row.id], reverse=True)

    @rule(target=places, user=USERS, repository=st.sampled_from(USUAL), n=NUMBER)
    def create(self, user: int, repository: type[Repository[Any]], n: int) -> Place:
        """Let any user create one, and before it the rows that it refers to."""
        parents = parents_of(repository.entity.table)
        owned = {column: cast("Place", self.create(user, BY_TABLE[parent], n)) for column, parent in parents.items()}
        given = {column: id for column, (_, id) in owned.items()}  # noqa: A001 - as the column is called
        call = cast("Any", repository(self.db)).create
        row = self.run(call(self.names[user], *_data(repository, "create", n, given)))
        self.rows[repository, row.id] = row
        return repository, row.id

    @rule(user=USERS, repository=st.sampled_from(USUAL), place=places, n=NUMBER)
    def refer(self, user: int, repository: type[Repository[Any]], place: Place, n: int) -> None:
        """Check that no row can refer to another user's, or to one that is not there."""
        columns = [name for name, of in parents_of(repository.entity.table).items() if BY_TABLE[of] is place[0]]
        if columns and not self.own(user, place):
            call = cast("Any", repository(self.db)).create
            given = dict.fromkeys(columns, place[1])
            self.refused(call(self.names[user], *_data(repository, "create", n, given)), MissingReferenceError)

    @rule(user=USERS, place=places)
    def get(self, user: int, place: Place) -> None:
        """Check that only its owner finds it."""
        own, repository = self.own(user, place), self.repository(place)
        assert self.run(repository.get_or_none(self.names[user], place[1])) == own
        if own:
            assert self.run(repository.get(self.names[user], place[1])) == own
        else:
            self.refused(repository.get(self.names[user], place[1]), NotFoundError)

    @rule(user=USERS, place=updated, n=NUMBER, expecting=st.booleans())
    def update(self, user: int, place: Place, n: int, *, expecting: bool) -> None:
        """Check that only its owner changes it, also when another user guesses the time of its last change."""
        row = self.rows.get(place)
        (data,) = _data(place[0], "update", n)
        has_time = place[0].entity.has_updated_at
        unchanged = {"expected_updated_at": row.updated_at} if row and expecting and has_time else {}
        call = self.repository(place).update(self.names[user], place[1], data, **unchanged)
        if own := self.own(user, place):
            changed = self.run(call)
            moved = {"updated_at": changed.updated_at} if has_time else {}
            assert changed == own.model_copy(update={**dict(data), **moved})
            self.rows[place] = changed
        else:
            self.refused(call, NotFoundError)

    @rule(user=USERS, place=places)
    def delete(self, user: int, place: Place) -> None:
        """Check that only its owner deletes it."""
        call = self.repository(place).delete(self.names[user], place[1])
        if self.own(user, place):
            self.run(call)
            self.forget(place)
        else:
            self.refused(call, NotFoundError)

    @rule(user=USERS, repository=st.sampled_from(USUAL), limit=LIMIT, by=NUMBER, n=NUMBER)
    def list_all(self, user: int, repository: type[Repository[Any]], limit: int, by: int, n: int) -> None:
        """Check that a user sees only their own, page by page, with any filter."""
        asked: Any = repository(self.db)
        filters = list(repository.usual.pages)
        name, expected = filters[by % len(filters)], self.all_of(user, repository)
        (sample,) = expected[n : n + 1] or _data(repository, "create", n) or [None]
        chosen = {name: getattr(sample, name)} if name else {}
        expected = [row for row in expected if all(getattr(row, each) == value for each, value in chosen.items())]
        assert self.pages(asked.list_page, self.names[user], limit=limit, **chosen) == expected
        assert self.run(asked.count(self.names[user], **chosen)) == len(expected)

    @rule(user=USERS, place=conversations, texts=st.lists(TEXT, min_size=1, max_size=4), many=st.booleans())
    def append(self, user: int, place: Place, texts: list[str], *, many: bool) -> None:
        """Check that only the owner of a conversation appends to it."""
        data = [MessageCreate(role="user", content=content) for content in texts]
        repository, name, id = MessageRepo(self.db), self.names[user], place[1]  # noqa: A001 - as the column is called
        call: Awaitable[Any] = repository.append_many(name, id, data) if many else repository.append(name, id, data[0])
        if not self.own(user, place):
            self.refused(call, MissingReferenceError)
            return
        appended = self.run(call) if many else [self.run(call)]
        assert [message.content for message in appended] == texts[: len(appended)]
        self.keep(place, appended)
        assert self.rows[place].updated_at == appended[-1].created_at

    @rule(user=USERS, place=conversations, content=TEXT, limit=LIMIT, keyed=st.booleans(), bounded=st.booleans())
    def append_with_history(
        self, user: int, place: Place, content: str, limit: int, *, keyed: bool, bounded: bool
    ) -> None:
        """Check that only the owner appends, and is shown what was said before and nothing else."""
        key, most = uuid4() if keyed else None, 2_000_000 if bounded else None
        data = MessageCreate(role="user", content=content)
        call = MessageRepo(self.db).append_with_history(
            self.names[user], place[1], data, limit=limit, max_characters=most, idempotency_key=key
        )
        if not self.own(user, place):
            self.refused(call, MissingReferenceError)
            return
        history = self.run(call)
        assert history[-1].content == content
        self.keep(place, history[-1:])
        assert history == self.messages[place[1]][-limit:]

    def keep(self, place: Place, appended: list[MessageRead]) -> None:
        """Keep note of the messages, and of the conversation's time, which is theirs or a moment later."""
        self.messages[place[1]] = [*self.messages.get(place[1], ()), *appended]
        row = self.rows[place]
        touched = self.run(self.repository(place).get(row.user_id, row.id))
        assert touched == row.model_copy(update={"updated_at": touched.updated_at})
        assert touched.updated_at >= appended[-1].created_at > row.updated_at
        self.rows[place] = touched

    @rule(user=USERS, place=conversations, limit=LIMIT)
    def read_messages(self, user: int, place: Place, limit: int) -> None:
        """Check that the owner sees all and other users none: in pages, as the latest, and as a stream."""
        repository, name, id = MessageRepo(self.db), self.names[user], place[1]  # noqa: A001 - as the column is called
        expected = self.messages.get(id, []) if self.own(user, place) else []
        assert self.pages(repository.list_page, name, id, limit=limit) == expected
        assert self.run(repository.latest(name, id, limit=limit)) == expected[-limit:]
        assert self.run(_all(repository.stream(name, id))) == expected


async def _all(messages: AsyncIterator[MessageRead]) -> list[MessageRead]:
    return [message async for message in messages]


@pytest.fixture
async def loop() -> asyncio.AbstractEventLoop:
    """Give the loop that the database runs in; it is idle while a synchronous test runs."""
    return asyncio.get_running_loop()


def test_no_user_sees_or_changes_a_row_of_every_other(db: Database, loop: asyncio.AbstractEventLoop) -> None:
    """The test makes random calls of several users, in any order, with any ids."""
    run_state_machine_as_test(
        cast("type[Users]", lambda: Users(db, loop)),  # a factory is allowed, too
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
