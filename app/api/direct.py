"""A route whose parameters are read without FastAPI's general solver."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from inspect import iscoroutinefunction, signature
from typing import Any, Final, get_args
from uuid import UUID

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_body_to_args, request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.params import Body
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_CONSTANTS: Final = (type(None), bool, int, str)
_SCALARS: Final = {*_CONSTANTS, UUID}
_NOT_JSON: Final = object()
_GIVEN: Final[dict[str, Callable[[Request], Any]]] = {
    "path_params": lambda request: request.path_params,
    "query_params": lambda request: request.query_params,
    "header_params": lambda request: request.headers,
}
_BY_FASTAPI_ONLY: Final = (
    "cookie_params",
    "websocket_param_name",
    "http_connection_param_name",
    "response_param_name",
    "background_tasks_param_name",
    "security_scopes_param_name",
    "concurrency",
)


class DirectRoute(APIRoute):
    """Calls its dependencies and its endpoint directly, where they are coroutines that take a head and one JSON value.

    FastAPI's solver makes each dependency a level of its own, of about 10 µs. Documentation, values and errors are the
    same. A route with a form, a generator or an answer to be serialized is FastAPI's, and so is every route while a
    dependency is overridden or FastAPI's own telemetry observes the request, and every body that is not JSON.
    """

    def get_route_handler(self) -> _Handler:
        """Return what answers a request."""
        usual = super().get_route_handler()
        dependant, overrides = self.dependant, self.dependency_overrides_provider
        # Without a provider it is a router's, and would not know what an application that includes it overrides.
        if overrides is None or not (_is_direct(dependant) and _gives_response(dependant.call)):
            return usual
        bodies = _bodies(dependant)
        if len(bodies) > 1 or not all(map(_is_whole_body, bodies)):
            return usual
        call = _Call(dependant)

        async def handle(request: Request) -> Response:
            if overrides.dependency_overrides or request.scope.get("fastapi.telemetry"):
                return await usual(request)
            body = await _json_of(request) if bodies else None
            if body is _NOT_JSON:
                return await usual(request)
            errors: list[Any] = []
            values = await call.arguments(request, body, {}, errors)
            if errors:
                raise RequestValidationError(errors, body=body)
            response: Response = await call.call(**values)
            return response

        return handle


def _is_direct(dependant: Dependant) -> bool:
    return (
        not any(getattr(dependant, name) for name in _BY_FASTAPI_ONLY)
        and dependant.use_cache
        and _is_coroutine(dependant.call)
        and all(map(_is_direct, dependant.dependencies))
    )


def _bodies(dependant: Dependant) -> list[Any]:
    """Return the fields that are read from the body, those of the dependencies too."""
    return sum(map(_bodies, dependant.dependencies), list(dependant.body_params))


def _is_whole_body(field: Any) -> bool:
    return type(field.field_info) is Body and not field.field_info.embed


async def _json_of(request: Request) -> Any:
    """Return the value of the body, or `_NOT_JSON` where FastAPI says what the body is or what is wrong with it."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        with suppress(ValueError, RecursionError, ClientDisconnect):
            if await request.body():
                return await request.json()
    return _NOT_JSON


def _is_coroutine(call: Any) -> bool:
    return iscoroutinefunction(call) or iscoroutinefunction(type(call).__call__)


def _gives_response(call: Any) -> bool:
    given = signature(call).return_annotation
    return isinstance(given, type) and issubclass(given, Response)


class _Call:
    """A dependency or an endpoint, with the dependencies that it needs."""

    def __init__(self, dependant: Dependant) -> None:
        self.call: Any = dependant.call
        self._request_name = dependant.request_param_name
        self._bodies = dependant.body_params
        self._dependencies = [(each.name, _Call(each)) for each in dependant.dependencies]
        self._fields = [(fields, given) for name, given in _GIVEN.items() if (fields := getattr(dependant, name))]
        self._defaults = {
            field.name: field.field_info.default
            for field in (*dependant.query_params, *dependant.header_params)
            if _may_be_absent(field)
        }

    async def arguments(self, request: Request, body: Any, known: dict[Any, Any], errors: list[Any]) -> dict[str, Any]:
        """Return the arguments; add to `errors` what is wrong with the parameters of it and of its dependencies."""
        values: dict[str, Any] = dict(self._defaults)
        for name, needed in self._dependencies:
            if needed.call not in known:
                before = len(errors)
                arguments = await needed.arguments(request, body, known, errors)
                if len(errors) > before:
                    continue
                known[needed.call] = await needed.call(**arguments)
            if name is not None:
                values[name] = known[needed.call]
        for fields, given in self._fields:
            received = given(request)
            sent = [field for field in fields if field.name not in self._defaults or field.alias in received]
            found, wrong = request_params_to_args(sent, received)
            values |= found
            errors += wrong
        if self._bodies:
            found, wrong = await request_body_to_args(self._bodies, body, embed_body_fields=False)
            values |= found
            errors += wrong
        if self._request_name:
            values[self._request_name] = request
        return values


def _may_be_absent(field: Any) -> bool:
    """Return whether a parameter that is not sent is its default, which FastAPI needs 10 µs to find."""
    info = field.field_info
    return (
        isinstance(info.default, _CONSTANTS)
        and set(get_args(info.annotation) or (info.annotation,)) <= _SCALARS
        and not info.validate_default
        and info.validation_alias in (None, field.alias)
        and field.config is None
    )
