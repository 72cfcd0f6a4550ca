"""A route whose parameters are read without FastAPI's general solver."""

from collections.abc import Callable, Coroutine
from inspect import iscoroutinefunction, signature
from typing import Any, Final, get_args

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_CONSTANTS: Final = (type(None), bool, int, str)
_GIVEN: Final[dict[str, Callable[[Request], Any]]] = {
    "path_params": lambda request: request.path_params,
    "query_params": lambda request: request.query_params,
    "header_params": lambda request: request.headers,
}
_BY_FASTAPI_ONLY: Final = (
    "cookie_params",
    "body_params",
    "websocket_param_name",
    "http_connection_param_name",
    "response_param_name",
    "background_tasks_param_name",
    "security_scopes_param_name",
    "concurrency",
)


class DirectRoute(APIRoute):
    """Calls its dependencies and its endpoint directly, where they are coroutines that need no more than a head.

    FastAPI's solver makes each dependency a level of its own, of about 10 µs. Documentation, values and errors are the
    same. A route with a body, a generator or an answer to be serialized is FastAPI's, and so is every route while a
    dependency is overridden or FastAPI's own telemetry observes the request.
    """

    def get_route_handler(self) -> _Handler:
        """Return what answers a request."""
        usual = super().get_route_handler()
        dependant, overrides = self.dependant, self.dependency_overrides_provider
        # Without a provider it is a router's, and would not know what an application that includes it overrides.
        if overrides is None or not (_is_direct(dependant) and _gives_response(dependant.call)):
            return usual
        call = _Call(dependant)

        async def handle(request: Request) -> Response:
            if overrides.dependency_overrides or request.scope.get("fastapi.telemetry"):
                return await usual(request)
            errors: list[Any] = []
            values = await call.arguments(request, {}, errors)
            if errors:
                raise RequestValidationError(errors)
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
        self._dependencies = [(each.name, _Call(each)) for each in dependant.dependencies]
        self._fields = [(fields, given) for name, given in _GIVEN.items() if (fields := getattr(dependant, name))]
        self._defaults = {
            field.name: field.field_info.default for field in dependant.query_params if _may_be_absent(field)
        }

    async def arguments(self, request: Request, known: dict[Any, Any], errors: list[Any]) -> dict[str, Any]:
        """Return the arguments; add to `errors` what is wrong with the parameters of it and of its dependencies."""
        values: dict[str, Any] = dict(self._defaults)
        for name, needed in self._dependencies:
            if needed.call not in known:
                before = len(errors)
                arguments = await needed.arguments(request, known, errors)
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
        if self._request_name:
            values[self._request_name] = request
        return values


def _may_be_absent(field: Any) -> bool:
    """Return whether a parameter that is not sent is its default, which FastAPI needs 10 µs to find."""
    info = field.field_info
    return (
        isinstance(info.default, _CONSTANTS)
        and set(get_args(info.annotation) or (info.annotation,)) <= {*_CONSTANTS}
        and not info.validate_default
        and info.validation_alias in (None, field.alias)
        and field.config is None
    )
