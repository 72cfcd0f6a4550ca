"""The routes of a router, added as the application's own."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.testclient import TestClient

from app.api import create_app
from app.api.problems import answers
from app.api.routes import add_routes
from app.db import DatabaseSettings
from tests.api.support import api_settings

ALWAYS = answers(401, 422)


async def _value() -> str:
    return "its own"


def _router() -> APIRouter:
    router = APIRouter(prefix="/things", tags=["things"], dependencies=[Depends(_value)])

    @router.get("/{thing}", responses=answers(404), deprecated=True, summary="One", openapi_extra={"x-kind": "thing"})
    async def get_thing(thing: int, value: Annotated[str, Depends(_value)]) -> dict[str, Any]:
        """Get it."""
        return {"thing": thing, "value": value}

    @router.post("", status_code=201, response_class=PlainTextResponse, include_in_schema=False, name="made")
    async def make_thing() -> str:
        return "made"

    return router


def _app() -> FastAPI:
    return FastAPI(generate_unique_id_function=lambda route: f"the {route.name}")


def test_a_route_keeps_all_that_it_was_declared_with() -> None:
    """The documentation is that of `include_router`, word for word, and so are the answers."""
    included, added = _app(), _app()
    included.include_router(_router(), responses=ALWAYS)
    add_routes(added, _router(), responses=ALWAYS)
    assert added.openapi() == included.openapi()
    for app in (included, added):
        client = TestClient(app)
        assert client.get("/things/3").json() == {"thing": 3, "value": "its own"}
        made = client.post("/things")
        assert (made.status_code, made.text, str(app.url_path_for("made"))) == (201, "made", "/things")


def test_dependencies_can_be_overridden() -> None:
    """As FastAPI documents it for tests."""
    app = _app()
    add_routes(app, _router(), responses=ALWAYS)
    app.dependency_overrides[_value] = lambda: "another"
    assert TestClient(app).get("/things/3").json() == {"thing": 3, "value": "another"}


def test_what_cannot_be_added_is_named() -> None:
    """Nothing of a router is left out in silence."""
    router = APIRouter(routes=[Mount("/files", routes=[])])
    with pytest.raises(TypeError, match="Mount"):
        add_routes(_app(), router, responses=ALWAYS)


def test_every_route_of_the_service_is_its_own() -> None:
    """FastAPI compares a request with the routes of each included router twice."""
    app = create_app(api_settings(docs=False), database=DatabaseSettings(url="postgresql://nobody@127.0.0.1:1/none"))
    paths = {route.path for route in app.routes if isinstance(route, APIRoute)}
    assert len({type(route) for route in app.routes}) == 1
    assert {"/tasks", "/conversations/{conversation_id}/reply", "/healthz", "/me/export"} <= paths
