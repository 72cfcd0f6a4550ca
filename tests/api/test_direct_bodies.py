"""A body that is read without FastAPI's solver is read as with it."""

from typing import Annotated, Any, Final
from uuid import UUID

import pytest
from fastapi import Body, Depends, FastAPI, Form, Header, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from app.api.direct import DirectRoute
from tests.api.solver import answers, forbid_solver, new_app

JSON: Final = "application/json"
PATHS: Final = ("/things", "/things?limit=0", "/replies/3", "/replies/none", "/replies/3?limit=0")
IN_PARTS: Final = ("/embedded", "/two", "/form")
# What is sent, and as what.
BODIES: Final[tuple[tuple[bytes, str | None], ...]] = (
    (b'{"title": "a"}', JSON),
    (b'{"title": "a"}', "Application/JSON ; charset=utf-8"),
    (b'{"title": "a"}', "application/problem+json"),
    (b'{"title": "a"}', "text/plain"),
    (b'{"title": "a"}', "application/json/x"),
    (b'{"title": "a"}', ""),
    (b'{"title": "a"}', None),
    (b'{"title": 1}', JSON),
    (b'{"data": {"title": "a"}, "other": {"title": "b"}}', JSON),
    (b"{}", JSON),
    (b"[]", JSON),
    (b"null", JSON),
    (b"", JSON),
    (b"", None),
    (b"{", JSON),
    (b"\xff", JSON),
    (b"[" * 100_000, JSON),
    (b"title=a", "application/x-www-form-urlencoded"),
)


class Sent(BaseModel):
    """What is sent."""

    title: str


async def _limit(limit: Annotated[int, Query(ge=1)] = 50) -> int:
    return limit


Limit = Annotated[int, Depends(_limit)]


async def _of_a_dependency(thing: int, limit: Limit, data: Sent | None) -> list[Any]:
    return [thing, limit, data and data.title]


def _app(kind: type[APIRoute]) -> FastAPI:
    app = new_app(kind)

    @app.post("/things")
    async def make(
        data: Sent, limit: Limit, key: Annotated[UUID | None, Header(alias="Idempotency-Key")] = None
    ) -> JSONResponse:
        return JSONResponse([data.title, limit, str(key)], 201)

    @app.post("/replies/{thing}")
    async def reply(sent: Annotated[list[Any], Depends(_of_a_dependency)]) -> JSONResponse:
        return JSONResponse(sent)

    @app.post("/embedded")
    async def embedded(data: Annotated[Sent, Body(embed=True)]) -> JSONResponse:
        return JSONResponse(data.title)

    @app.post("/two")
    async def two(data: Sent, other: Sent) -> JSONResponse:
        return JSONResponse([data.title, other.title])

    @app.post("/form")
    async def form(title: Annotated[str, Form()]) -> JSONResponse:
        return JSONResponse(title)

    return app


@pytest.mark.parametrize(("content", "media_type"), BODIES)
@pytest.mark.parametrize("path", PATHS + IN_PARTS)
def test_the_answer_is_fastapis(path: str, content: bytes, media_type: str | None) -> None:
    """Whatever is sent, as whatever it is declared: the value, or what is wrong with it and with the parameters."""
    headers = {} if media_type is None else {"Content-Type": media_type}
    usual, direct = answers(_app, "POST", path, content=content, headers=headers)
    assert direct == usual


@pytest.mark.parametrize("key", ["", "1", "8c5f3f6e-2d0c-4b5e-9a55-0d8a3a0b7c11"])
def test_a_header_beside_the_body_is_read_as_fastapi_does(key: str) -> None:
    """Its default is taken only if it is not sent."""
    usual, direct = answers(_app, "POST", "/things", json={"title": "a"}, headers={"Idempotency-Key": key})
    assert direct == usual


def test_the_solver_is_left_out_for_one_whole_json_value_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for a body in parts, nor for a form, nor for what is not declared as JSON."""
    forbid_solver(monkeypatch)
    client = TestClient(_app(DirectRoute))
    assert client.post("/things", json={"title": "a"}).json() == ["a", 50, "None"]
    assert client.post("/replies/3", json={"title": "a"}).json() == [3, 50, "a"]
    for path in IN_PARTS:
        with pytest.raises(AssertionError, match="solver"):
            client.post(path, json={"data": {"title": "a"}})
    with pytest.raises(AssertionError, match="solver"):
        client.post("/things", content=b'{"title": "a"}', headers={"Content-Type": "text/plain"})
