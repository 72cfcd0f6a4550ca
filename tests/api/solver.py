"""Applications that are the same with FastAPI's solver and without it."""

from collections.abc import Callable
from typing import Any, NoReturn

import fastapi.routing
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from app.api import handlers
from app.api.direct import DirectRoute


def new_app(kind: type[APIRoute]) -> FastAPI:
    """Return an application whose routes are of this kind, with the problems of the service."""
    app = FastAPI()
    app.router.route_class = kind
    handlers.install(app)
    return app


def answers(
    app: Callable[[type[APIRoute]], FastAPI], method: str, path: str, **request: Any
) -> list[tuple[int, str, dict[str, str]]]:
    """Return the status, the text and the headers with FastAPI's solver, and those without it."""
    found = [TestClient(app(kind)).request(method, path, **request) for kind in (APIRoute, DirectRoute)]
    return [(answer.status_code, answer.text, dict(answer.headers)) for answer in found]


def forbid_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every request that FastAPI's solver sees fail with an `AssertionError`."""
    monkeypatch.setattr(fastapi.routing, "solve_dependencies", _refuse)


def _refuse(**_: Any) -> NoReturn:
    raise AssertionError("FastAPI's solver")
