"""Errors as clients see them."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.api import errors as api_errors
from app.api import handlers
from app.db import errors as db_errors
from tests.api.support import Running

EXPECTED = {
    "NotFoundError": 404,
    "MissingReferenceError": 404,
    "InvalidInputError": 422,
    "InvalidCursorError": 422,
    "ConflictError": 409,
    "StaleRowError": 412,
    "TransientError": 503,
    "UnavailableError": 503,
    "PoolTimeoutError": 503,
    "OutcomeUnknownError": 503,
    "KeyedOutcomeUnknownError": 503,
    "NotDoneError": 500,
    "OutOfResourcesError": 503,
    "StatementTimeoutError": 504,
    "ConfigurationError": 500,
    "DatabaseAheadError": 500,
    "ClosedError": 503,
    "NotAuthenticatedError": 401,
    "InvalidTokenError": 401,
    "KeysUnavailableError": 503,
    "PreconditionError": 412,
    "BadRequestError": 400,
    "SlowBodyError": 408,
    "BodyTooLargeError": 413,
    "AddressTooLongError": 414,
    "UnsupportedMediaTypeError": 415,
    "TooManyRequestsError": 429,
    "TooManyOwnRepliesError": 429,
    "HeadersTooLargeError": 431,
    "TooManyRepliesError": 503,
    "UnfinishedReplyError": 502,
    "NotReadyError": 503,
}


def public_errors(base: type[Exception]) -> Iterator[type[Exception]]:
    """Yield every subclass of `base` in the tree of its module's docstring."""
    for cls in base.__subclasses__():
        if f"─ {cls.__name__}" in (__import__(cls.__module__, fromlist=["_"]).__doc__ or ""):
            yield cls
        yield from public_errors(cls)


ERRORS = {cls.__name__: cls for base in (db_errors.DataAccessError, api_errors.ApiError) for cls in public_errors(base)}


async def answer_to(error: Exception) -> httpx.Response:
    """Return what a client gets when a handler raises `error`."""
    app = FastAPI()
    handlers.install(app)

    @app.get("/")
    async def fail() -> None:
        raise error

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get("/")


def test_every_error_is_in_the_table_of_this_test() -> None:
    """A new error needs a decision."""
    assert set(ERRORS) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
async def test_each_error_has_its_status_and_shows_nothing_of_its_cause(name: str) -> None:
    """A translated error has the driver's text; a 503 says when to repeat, and a 401 how to authenticate."""
    error = ERRORS[name]("connection to 10.0.0.7 as admin failed")
    error.__cause__ = OSError("secret of the driver")
    answer = await answer_to(error)
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (EXPECTED[name], EXPECTED[name])
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert re.fullmatch(r"urn:problem:[a-z-]+", problem["type"])
    assert "10.0.0.7" not in answer.text
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (answer.status_code in (429, 503))
    assert ("WWW-Authenticate" in answer.headers) == (answer.status_code == 401)


async def test_our_own_words_are_shown() -> None:
    """The layer writes the text of an error without a cause for the caller."""
    answer = await answer_to(db_errors.NotFoundError("task 42 not found"))
    assert answer.json() == {
        "type": "urn:problem:not-found",
        "title": "Not Found",
        "status": 404,
        "detail": "task 42 not found",
    }


async def test_an_unknown_outcome_points_to_the_idempotency_key() -> None:
    """A client that cannot know the outcome is told how to repeat the request safely."""
    assert "Idempotency-Key" in (await answer_to(db_errors.OutcomeUnknownError("broken"))).json()["detail"]


async def test_an_unexpected_error_is_a_500_without_its_text() -> None:
    """An error outside of the table."""
    answer = await answer_to(RuntimeError("password=hunter2"))
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:problem:internal")
    assert "hunter2" not in answer.text


async def test_a_configuration_error_is_for_the_log_and_not_for_clients(caplog: pytest.LogCaptureFixture) -> None:
    """The response does not name the missing table or role."""
    answer = await answer_to(db_errors.ConfigurationError("role admin does not exist"))
    assert "admin" not in answer.text
    assert "role admin does not exist" in caplog.text


async def test_why_a_request_could_not_be_served_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The log has one line."""
    await answer_to(db_errors.UnavailableError("connection to 10.0.0.7 refused"))
    (record,) = caplog.records
    assert record.getMessage() == "GET /: UnavailableError: connection to 10.0.0.7 refused"


BAD = [
    ("POST", "/tasks", {"json": {"title": "x" * 201}}, "/body/title"),
    ("POST", "/tasks", {"json": {"title": "a\0b"}}, "/body/title"),
    (
        "POST",
        "/tasks",
        {"content": b'{"title": "\\ud800"}', "headers": {"Content-Type": "application/json"}},
        "/body/title",
    ),
    ("POST", "/tasks", {"json": {"title": "x", "colour": "red"}}, "/body/colour"),
    ("POST", "/tasks", {"json": {"title": "x"}, "headers": {"Idempotency-Key": "42"}}, "/header/Idempotency-Key"),
    ("PATCH", "/tasks/1", {"json": {"title": None}}, "/body/title"),
    ("GET", f"/tasks/{2**63}", {}, "/path/task_id"),
    ("GET", f"/tasks/{'9' * 5000}", {}, "/path/task_id"),
    ("GET", "/tasks/-1", {}, "/path/task_id"),
    ("DELETE", "/tasks/one", {}, "/path/task_id"),
    ("GET", "/tasks?limit=1001", {}, "/query/limit"),
    ("GET", f"/conversations/{2**64}/messages", {}, "/path/conversation_id"),
    ("POST", "/conversations/1/messages", {"json": {"role": "system", "content": "x"}}, "/body/role"),
    ("POST", "/conversations/1/reply", {"json": {"role": "assistant", "content": "x"}}, "/body/role"),
]


@pytest.mark.parametrize(("method", "path", "request_", "pointer"), BAD)
async def test_a_bad_value_is_a_422_that_points_to_it(
    client: httpx.AsyncClient, method: str, path: str, request_: dict[str, Any], pointer: str
) -> None:
    """The problem says where it is and what is wrong, and never shows the value."""
    answer = await client.request(method, path, **request_)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "urn:problem:invalid")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert "Value error" not in answer.text  # what pydantic puts before the words of our validators


@pytest.mark.parametrize("cursor", ["nonsense", "=", "AAAA", "ü", "a" * 5000])
async def test_a_cursor_that_no_page_gave_is_a_422(client: httpx.AsyncClient, cursor: str) -> None:
    """Every list refuses it."""
    for path in ("/tasks", "/conversations", "/conversations/1/messages"):
        answer = await client.get(path, params={"after": cursor})
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:problem:invalid-cursor")


async def test_after_together_with_before_is_a_422(client: httpx.AsyncClient) -> None:
    """The client sees the repository's own words for what it refuses."""
    answer = await client.get("/conversations/1/messages", params={"after": "a", "before": "b"})
    assert (answer.status_code, answer.json()["detail"]) == (422, "after and before: give one of them")


async def test_what_the_framework_refuses_is_a_problem_too(client: httpx.AsyncClient) -> None:
    """An unknown route, an unknown method and an unreadable body are problems too."""
    json_type = {"Content-Type": "application/json"}
    answers = [
        await client.get("/nowhere"),
        await client.put("/tasks", json={}),
        await client.post("/tasks", content=b"\xff", headers=json_type),
        await client.post("/tasks", content=b"{", headers=json_type),
        await client.post("/tasks", content=b"[" * 60_000, headers=json_type),
    ]
    assert [answer.status_code for answer in answers] == [404, 405, 400, 400, 400]
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/problem+json"}


async def test_an_error_of_validation_does_not_repeat_the_value(api: Running, client: httpx.AsyncClient) -> None:
    """Messages are private, in responses too."""
    answer = await client.post(
        "/conversations/1/messages", json={"role": "private matter", "content": ["private matter"]}
    )
    assert answer.status_code == 422
    assert "private" not in answer.text
