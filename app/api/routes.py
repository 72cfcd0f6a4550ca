"""The routes of a router as the application's own."""

from inspect import signature
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from app.api.direct import DirectRoute

_OPTIONS: Final = signature(APIRouter.add_api_route).parameters.keys() - {"self", "route_class_override"}


def add_routes(app: FastAPI, router: APIRouter, *, responses: dict[int | str, dict[str, Any]]) -> None:
    """Add each route of `router` with all that it was declared with, and with these answers.

    As `include_router` does, but FastAPI keeps an included router as a whole, and compares each request with the routes
    of every router twice: 10 µs for each router that comes before the request's own. Each becomes a `DirectRoute`.
    """
    for route in router.routes:
        if not isinstance(route, APIRoute):
            raise TypeError(f"{route!r} is not one of FastAPI's routes: add it to the application itself")
        options = {name: getattr(route, name) for name in _OPTIONS} | {"responses": responses | route.responses}
        kind = DirectRoute if type(route) is APIRoute else type(route)
        app.router.add_api_route(**options, route_class_override=kind)
