"""How long a body may be follows from the model that the operation takes, also of routes that a team adds."""

import json
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, Field
from starlette.testclient import TestClient

from app.api import create_app
from app.api.gate.body_limits import SMALL_BODY_BYTES, BodyLimits
from app.db import DatabaseSettings
from app.db.models import MessageCreate, TaskCreate, TaskUpdate
from tests.api.support import api_settings, bearer

MOST = 5_000_000


class Color(StrEnum):
    """One of a few."""

    RED = "red"


class Branch(BaseModel):
    """A tree, of which nothing says where it ends."""

    branches: list["Branch"] = Field(max_length=2)


class Short(BaseModel):
    """Each kind of field that has a limit."""

    text: Annotated[str, Field(max_length=1000)] | None
    color: Color
    number: int
    id: UUID
    tags: Annotated[list[Annotated[str, Field(max_length=20)]], Field(max_length=10)]
    task: TaskCreate


class LongText(BaseModel):
    """Just too long where each character takes twelve bytes."""

    text: Annotated[str, Field(max_length=SMALL_BODY_BYTES // 12)]


class ManyTags(BaseModel):
    """As many as somebody sends."""

    tags: list[Color]


class Free(BaseModel):
    """Whatever somebody sends."""

    value: dict[str, str]


IS_LONG: dict[type[BaseModel], bool] = {
    TaskCreate: False,
    TaskUpdate: False,
    Short: False,
    MessageCreate: True,
    LongText: True,
    ManyTags: True,
    Free: True,
    Branch: True,
}


def taking(model: type[BaseModel]) -> APIRouter:
    """Return a router whose one operation takes this model."""
    router = APIRouter()

    @router.post("/things/{thing}")
    async def take(thing: int, data: model) -> int:  # type: ignore[valid-type]  # a type that the test chooses
        return thing + len(data.model_dump())  # type: ignore[attr-defined]  # likewise

    return router


@pytest.mark.parametrize("model", IS_LONG, ids=lambda model: model.__name__)
def test_a_body_may_be_long_where_the_fields_may_be(model: type[BaseModel]) -> None:
    """Where they may not, 64 kB are enough for each value, escaped as JSON allows it."""
    app = FastAPI()
    app.include_router(taking(model))
    limits = BodyLimits(app.openapi, most=MOST)
    assert limits.of("POST", "/things/1", None) == (MOST if IS_LONG[model] else SMALL_BODY_BYTES)
    assert {limits.of(*other, None) for other in (("PUT", "/things/1"), ("POST", "/things"))} == {SMALL_BODY_BYTES}


def test_the_service_takes_long_bodies_for_messages_only() -> None:
    """A body that is refused unread costs nothing."""
    app = create_app(api_settings(), database=DatabaseSettings(url="postgresql://nobody@127.0.0.1:1/none"))
    limits = BodyLimits(app.openapi, most=MOST)
    long = {
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
        if limits.of(method.upper(), path.replace("{conversation_id}", "1").replace("{task_id}", "1"), None) == MOST
    }
    assert long == {
        ("POST", "/messages"),
        ("POST", "/conversations/{conversation_id}/messages"),
        ("POST", "/conversations/{conversation_id}/reply"),
    }


@pytest.mark.parametrize("model", [TaskCreate, LongText])
def test_a_route_that_is_included_later_has_the_limit_of_its_model(model: type[BaseModel]) -> None:
    """Without a list to add it to; the answer of a short one is the gate's."""
    app = create_app(api_settings(), database=DatabaseSettings(url="postgresql://nobody@127.0.0.1:1/none"))
    app.include_router(taking(model))
    body = json.dumps({"text": "\N{GRINNING FACE}" * (SMALL_BODY_BYTES // 12)})
    with TestClient(app) as client:
        answer = client.post("/things/1", content=body, headers={**bearer("ada"), "Content-Type": "application/json"})
    assert len(body) > SMALL_BODY_BYTES
    assert answer.status_code == (200 if IS_LONG[model] else 413)
