"""A route without FastAPI's solver answers as one with it."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from app.api import create_app
from app.api.direct import _BY_FASTAPI_ONLY, _GIVEN, DirectRoute
from app.db import DatabaseSettings
from tests.api.solver import answers, forbid_solver, new_app
from tests.api.support import api_settings

PATHS = (
    "/things/3?limit=5&flag=true",
    "/things/3",
    "/things/none",
    "/things/3?limit=0&flag=maybe",
    "/things/none?limit=0",
    "/things/3?limit=5&limit=6",
    "/twice",
    "/kept",
    "/plain/3",
    "/none",
    "/filtered",
    "/filtered?kind=big",
    "/filtered?kind=none&tag=a&tag=b&other-name=c&name=d",
    "/filtered?name=d",
)


class Filter(BaseModel):
    """What a query says, as a model."""

    kind: Literal["big", "small"] | None = None


async def _calls(request: Request) -> list[str]:
    calls: list[str] = request.scope.setdefault("calls", [])
    calls.append("calls")
    return calls


Calls = Annotated[list[str], Depends(_calls)]


async def _limit(calls: Calls, limit: Annotated[int, Query(ge=1)] = 50) -> int:
    calls.append("limit")
    return limit


async def _kept() -> AsyncIterator[str]:
    yield "kept"


def _plain() -> str:
    return "plain"


def _app(kind: type[APIRoute]) -> FastAPI:
    app = new_app(kind)

    @app.get("/things/{thing}")
    async def thing(
        calls: Calls,
        limit: Annotated[int, Depends(_limit)],
        thing: int,
        flag: Annotated[bool | None, Query()] = None,
        x_name: Annotated[str | None, Header()] = None,
    ) -> JSONResponse:
        return JSONResponse([calls, limit, thing, flag, x_name], headers={"X-Made": "here"})

    @app.get("/twice", dependencies=[Depends(_calls)])
    async def twice(request: Request) -> Response:
        return JSONResponse(request.scope["calls"], 202)

    @app.get("/kept")
    async def kept(value: Annotated[str, Depends(_kept)]) -> JSONResponse:
        return JSONResponse(value)

    @app.get("/plain/{thing}")
    async def plain(thing: int, value: Annotated[str, Depends(_plain)]) -> dict[str, Any]:
        return {"thing": thing, "value": value}

    @app.get("/filtered")
    async def filtered(
        which: Annotated[Filter, Query()],
        tag: Annotated[list[str] | None, Query()] = None,
        name: Annotated[str, Query(alias="other-name")] = "none",
        size: Annotated[float, Query(validate_default=True)] = 3,
    ) -> JSONResponse:
        return JSONResponse([which.model_dump(), tag, name, size])

    @app.get("/none", status_code=204)
    async def none() -> None: ...

    return app


@pytest.mark.parametrize("path", PATHS)
def test_the_answer_is_fastapis(path: str) -> None:
    """Values, headers, statuses and errors: each dependency is called once, and not if its own parameters are wrong."""
    usual, direct = answers(_app, "GET", path, headers={"X-Name": "ada"})
    assert direct == usual


def test_the_solver_is_left_out_only_where_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for generators, nor for what is to be serialized, nor while a dependency is overridden."""
    forbid_solver(monkeypatch)
    app = _app(DirectRoute)
    client = TestClient(app)
    assert client.get("/things/3").status_code == 200
    for path in ("/kept", "/plain/3", "/none"):
        with pytest.raises(AssertionError, match="solver"):
            client.get(path)
    app.dependency_overrides[_limit] = lambda: 7
    with pytest.raises(AssertionError, match="solver"):
        client.get("/things/3")
    monkeypatch.undo()
    assert client.get("/things/3").json()[1] == 7


def test_an_included_route_is_fastapis() -> None:
    """It is its router's, which does not know what an application overrides."""
    app, router = FastAPI(), APIRouter(route_class=DirectRoute)

    @router.get("/limit")
    async def limit(value: Annotated[int, Depends(_limit)]) -> JSONResponse:
        return JSONResponse(value)

    app.include_router(router)
    app.dependency_overrides[_limit] = lambda: 7
    assert TestClient(app).get("/limit").json() == 7


def test_fastapi_has_no_other_way_to_give_something_to_a_call() -> None:
    """A new one would not be given; when this fails after an upgrade, say in `app.api.direct` what becomes of it."""
    named = {field.name for field in dataclasses.fields(Dependant)}
    describing = {"name", "call", "path", "scope", "use_cache", "own_oauth_scopes", "parent_oauth_scopes"}
    assert named == describing | {*_GIVEN, *_BY_FASTAPI_ONLY} | {"dependencies", "request_param_name", "body_params"}


def test_a_page_of_tasks_is_direct() -> None:
    """As every other route of the service is."""
    app = create_app(api_settings(docs=False), database=DatabaseSettings(url="postgresql://nobody@127.0.0.1:1/none"))
    assert {type(route) for route in app.routes} == {DirectRoute}
