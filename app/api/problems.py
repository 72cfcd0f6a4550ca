"""Errors as answers: one table, and RFC 9457's ``application/problem+json``."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from app.api import errors as api
from app.db import errors as db

_log = logging.getLogger(__name__)
MEDIA_TYPE: Final = "application/problem+json"
_SOON: Final = {"Retry-After": "1"}
_LATER: Final = {"Retry-After": "5"}


class Problem(BaseModel):
    """What went wrong, for programs (`type`) and for people (`detail`)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """How errors of one class are answered.

    Clients see an error's own words only where we choose them for clients; else, and where the error was raised from
    another and its text may be a driver's, they see `detail`.
    """

    status: int
    name: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    own_words: bool = False

    @property
    def type(self) -> str:
        """The URI by which programs know the problem."""
        return f"urn:problem:{self.name}"


_INTERNAL: Final = Kind(500, "internal", "Something is wrong on our side. It has been logged.")
INVALID: Final = Kind(422, "invalid", "A value is not acceptable.", own_words=True)
_OUTCOME_UNKNOWN: Final = (
    "It may or may not have happened. A request with an Idempotency-Key can be repeated with the same key, and happens "
    "once; otherwise look first."
)
_BAD_TOKEN: Final = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
KINDS: Final[Mapping[type[Exception], Kind]] = {
    db.NotFoundError: Kind(404, "not-found", "It is not there.", own_words=True),
    db.MissingReferenceError: Kind(404, "missing-reference", "What it belongs to is not there.", own_words=True),
    db.InvalidInputError: INVALID,
    db.InvalidCursorError: Kind(422, "invalid-cursor", "The cursor is not one of this list.", own_words=True),
    db.ConflictError: Kind(409, "conflict", "It is in conflict with what is there.", own_words=True),
    db.StaleRowError: Kind(412, "stale", "It has changed since it was read.", own_words=True),
    db.TransientError: Kind(503, "try-again", "Nothing was done. The same request may succeed in a moment.", _SOON),
    db.UnavailableError: Kind(503, "unavailable", "The database cannot be reached. Nothing was done.", _LATER),
    db.PoolTimeoutError: Kind(503, "overloaded", "Too many requests at once. Nothing was done.", _SOON),
    db.OutOfResourcesError: Kind(503, "out-of-resources", "The database lacks room for it. Nothing was done.", _LATER),
    db.NotDoneError: Kind(500, "not-done", "Something is wrong on our side. Nothing was done."),
    db.OutcomeUnknownError: Kind(503, "outcome-unknown", _OUTCOME_UNKNOWN, _SOON),
    db.StatementTimeoutError: Kind(504, "too-slow", "It took longer than it may and was ended. Nothing was done."),
    db.ClosedError: Kind(503, "closing", "The service is about to end. Nothing was done.", _SOON),
    db.DataAccessError: _INTERNAL,
    api.NotAuthenticatedError: Kind(401, "not-authenticated", "A token is needed.", {"WWW-Authenticate": "Bearer"}),
    api.InvalidTokenError: Kind(401, "invalid-token", "The token is not valid.", _BAD_TOKEN, own_words=True),
    api.KeysUnavailableError: Kind(503, "keys-unavailable", "Tokens cannot be verified at the moment.", _LATER),
    api.PreconditionError: Kind(412, "precondition-failed", "If-Match names no state of it."),
    api.AmbiguousHeaderError: Kind(400, "ambiguous", "A header is there twice.", own_words=True),
    api.BodyTooLargeError: Kind(413, "too-large", "The body is too large.", own_words=True),
    api.UnsupportedMediaTypeError: Kind(415, "not-json", "The body must be application/json, not compressed."),
    api.TooManyRepliesError: Kind(503, "too-many-replies", "Too many answers at once. Nothing was done.", _SOON),
    api.UnfinishedReplyError: Kind(502, "unfinished-reply", "The assistant did not finish. Nothing of it is stored."),
    api.NotReadyError: Kind(503, "not-ready", "The database cannot be worked with.", _SOON, own_words=True),
}
_DOCUMENTED_HEADERS: Final = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    503: {"Retry-After": {"description": "In seconds.", "required": True, "schema": {"type": "integer"}}},
}


def problem_of(error: Exception) -> tuple[Kind, Problem]:
    """Return how errors like `error` are answered, and the answer to this one."""
    kind = next((KINDS[cls] for cls in type(error).__mro__ if cls in KINDS), _INTERNAL)
    own_words = str(error) if kind.own_words and error.__cause__ is None else ""
    return kind, _problem(kind, own_words or kind.detail)


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of problem answers, for a route's `responses`."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": content,
            "headers": _DOCUMENTED_HEADERS.get(status, {}),
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Have every error of `app` answered from the table."""
    for kind in (db.DataAccessError, api.ApiError, Exception):
        app.add_exception_handler(kind, _answer)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)


async def _answer(request: Request, error: Exception) -> Response:
    kind, problem = problem_of(error)
    if kind.status == _INTERNAL.status:
        _log.error("%s %s", request.method, request.url.path, exc_info=error)
    elif kind.status > _INTERNAL.status:
        _log.warning("%s %s: %s: %s", request.method, request.url.path, type(error).__name__, error)
    return problem_response(problem, kind.headers)


async def _answer_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    listed = [{"pointer": _pointer(one["loc"]), "detail": str(one["msg"])} for one in error.errors()]
    return problem_response(_problem(INVALID, INVALID.detail, errors=listed))


async def _answer_http(request: Request, error: Exception) -> Response:
    """Answer what the framework raises: no such route, no such method, a body that cannot be read."""
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    problem = Problem(type="about:blank", title=title, status=error.status_code, detail=error.detail)
    return problem_response(problem, {**(error.headers or {}), **_allow(request, error.status_code)})


def _allow(request: Request, status: int) -> Mapping[str, str]:
    """Return every method of the path, as RFC 9110 wants it; Starlette names those of the first route only."""
    path = getattr(request.scope.get("route"), "path", None)
    methods = request.app.openapi()["paths"].get(path) if status == HTTPStatus.METHOD_NOT_ALLOWED else None
    return {"Allow": ", ".join(map(str.upper, methods))} if methods else {}


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return `problem` as an HTTP response."""
    return Response(problem.model_dump_json(exclude_none=True), problem.status, headers, MEDIA_TYPE)


def _problem(kind: Kind, detail: str, *, errors: list[dict[str, str]] | None = None) -> Problem:
    title = HTTPStatus(kind.status).phrase
    return Problem(type=kind.type, title=title, status=kind.status, detail=detail, errors=errors)


def _pointer(location: Sequence[str | int]) -> str:
    return "/" + "/".join(map(str, location))
