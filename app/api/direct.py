"""A route whose parameters are read without FastAPI's general solver."""

from collections.abc import Callable, Coroutine
from inspect import iscoroutinefunction, signature
from typing import Any, Final

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_WHERE: Final[dict[str, Callable[[Request], Any]]] = {
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

        async def handle(request: Request) -> Response:
            if overrides.dependency_overrides or request.scope.get("fastapi.telemetry"):
                return await usual(request)
            errors: list[Any] = []
            values = await _values(dependant, request, {}, errors)
            if errors:
                raise RequestValidationError(errors)
            response: Response = await self.endpoint(**values)
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


async def _values(dependant: Dependant, request: Request, known: dict[Any, Any], errors: list[Any]) -> dict[str, Any]:
    """Return the arguments of a call; add to `errors` what is wrong with those of it and of its dependencies."""
    values: dict[str, Any] = {}
    for each in dependant.dependencies:
        if each.call not in known:
            wrong = len(errors)
            arguments = await _values(each, request, known, errors)
            if len(errors) > wrong:
                continue
            assert each.call
            known[each.call] = await each.call(**arguments)
        if each.name is not None:
            values[each.name] = known[each.call]
    for where in _WHERE:
        if fields := getattr(dependant, where):
            found, wrong_here = request_params_to_args(fields, _WHERE[where](request))
            values |= found
            errors += wrong_here
    if dependant.request_param_name:
        values[dependant.request_param_name] = request
    return values
