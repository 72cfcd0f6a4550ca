"""Errors become answers here, and are logged once."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.api.errors import ApiError
from app.api.problems import INTERNAL, INVALID, Problem, problem, problem_of, problem_response
from app.db.errors import DataAccessError
from app.db.invalid import words_of

_log = logging.getLogger(__name__)
_MAX_ERRORS: Final = 20
_MAX_CHARACTERS: Final = 100


def install(app: FastAPI) -> None:
    """Have every error of `app` answered from the table of problems."""
    for kind in (DataAccessError, ApiError):
        app.add_exception_handler(kind, _answer)
    app.add_exception_handler(Exception, _answer_unexpected)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)


def answer(error: Exception, *, method: str, path: str) -> Response:
    """Return the answer to an expected error, and log what the operator should see."""
    kind, found = problem_of(error)
    if kind.status == INTERNAL.status:
        _log.error("%s %s", method, _cut(path), exc_info=error)
    elif kind.status > INTERNAL.status:
        _log.warning("%s %s: %s: %s", method, _cut(path), type(error).__name__, error)
    return problem_response(found, kind.headers)


async def _answer(request: Request, error: Exception) -> Response:
    return answer(error, method=request.method, path=request.scope["path"])


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    # Starlette raises the error again, and the server logs it: with this note the log says where.
    error.add_note(f"in {request.method} {_cut(request.scope['path'])}")
    return problem_response(problem(INTERNAL, INTERNAL.detail))


async def _answer_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    listed = [{"pointer": pointer(one["loc"]), "detail": _cut(words_of(one))} for one in error.errors()[:_MAX_ERRORS]]
    return problem_response(problem(INVALID, INVALID.detail, errors=listed))


async def _answer_http(request: Request, error: Exception) -> Response:
    """Answer what the framework raises: no such route, no such method."""
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    found = Problem(type="about:blank", title=title, status=error.status_code, detail=error.detail)
    return problem_response(found, {**(error.headers or {}), **_allow(request, error.status_code)})


def _allow(request: Request, status: int) -> Mapping[str, str]:
    """Return every method of the path, as RFC 9110 requires; Starlette names those of the first route only."""
    path = getattr(request.scope.get("route"), "path", None)
    methods = request.app.openapi()["paths"].get(path) if status == HTTPStatus.METHOD_NOT_ALLOWED else None
    return {"Allow": ", ".join(map(str.upper, methods))} if methods else {}


def pointer(location: Sequence[str | int]) -> str:
    """Return a JSON Pointer (RFC 6901), each part cut."""
    parts = (_cut(str(part)).replace("~", "~0").replace("/", "~1") for part in location)
    return "/" + "/".join(parts)


def _cut(text: str) -> str:
    """Return at most 100 characters in one line that is valid UTF-8."""
    short = text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1] + "…"
    return "".join(one if one.isprintable() else "\ufffd" for one in short)
