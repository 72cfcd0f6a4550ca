"""Which problem each error is: one table, in the form of RFC 9457's ``application/problem+json``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from fastapi import Response
from pydantic import BaseModel

from app.api import errors as api
from app.db import errors as db

MEDIA_TYPE: Final = "application/problem+json"
_SOON: Final = {"Retry-After": "1"}
_LATER: Final = {"Retry-After": "5"}
_CLOSE: Final = {"Connection": "close"}  # the rest of the body is not read


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

    Clients see an error's own text only where we write it for clients (`own_words`) and the error has no cause, whose
    text may be the driver's; otherwise they see `detail`.
    """

    status: int
    name: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    own_words: bool = False

    @property
    def type(self) -> str:
        """The URI by which programs recognise the problem."""
        return f"urn:problem:{self.name}"


INTERNAL: Final = Kind(500, "internal", "An internal error has occurred and been logged.")
INVALID: Final = Kind(422, "invalid", "A value is invalid.", own_words=True)
_OUTCOME_UNKNOWN: Final = (
    "It may or may not have been done. Repeat a request that had an Idempotency-Key with that key: it is done once. "
    "Otherwise check first."
)
_BAD_TOKEN: Final = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
_ONE_USER: Final = "You have too many {} in flight. Nothing was done."
KINDS: Final[Mapping[type[Exception], Kind]] = {
    db.NotFoundError: Kind(404, "not-found", "It does not exist.", own_words=True),
    db.MissingReferenceError: Kind(404, "missing-reference", "What it belongs to does not exist.", own_words=True),
    db.InvalidInputError: INVALID,
    db.InvalidCursorError: Kind(422, "invalid-cursor", "The cursor does not belong to this list.", own_words=True),
    db.ConflictError: Kind(409, "conflict", "It conflicts with what exists.", own_words=True),
    db.StaleRowError: Kind(412, "stale", "It has changed since it was read.", own_words=True),
    db.TransientError: Kind(503, "try-again", "Nothing was done. Repeat the request in a moment.", _SOON),
    db.UnavailableError: Kind(503, "unavailable", "The database cannot be reached. Nothing was done.", _LATER),
    db.PoolTimeoutError: Kind(503, "overloaded", "Too many requests at once. Nothing was done.", _SOON),
    db.OutOfResourcesError: Kind(
        503, "out-of-resources", "The database is out of resources. Nothing was done.", _LATER
    ),
    db.NotDoneError: Kind(500, "not-done", "An internal error has occurred. Nothing was done."),
    db.OutcomeUnknownError: Kind(503, "outcome-unknown", _OUTCOME_UNKNOWN, _SOON),
    db.StatementTimeoutError: Kind(504, "too-slow", "It took too long and was ended. Nothing was done."),
    db.ClosedError: Kind(503, "closing", "The service is shutting down. Nothing was done.", _SOON),
    db.DataAccessError: INTERNAL,
    api.NotAuthenticatedError: Kind(401, "not-authenticated", "A token is required.", {"WWW-Authenticate": "Bearer"}),
    api.InvalidTokenError: Kind(401, "invalid-token", "The token is invalid.", _BAD_TOKEN, own_words=True),
    api.KeysUnavailableError: Kind(503, "keys-unavailable", "Tokens cannot be verified at the moment.", _LATER),
    api.PreconditionError: Kind(412, "precondition-failed", "If-Match contains no ETag of it."),
    api.BadRequestError: Kind(400, "bad-request", "The request is malformed.", own_words=True),
    api.AddressTooLongError: Kind(414, "address-too-long", "The path and query are too long.", _CLOSE, own_words=True),
    api.HeadersTooLargeError: Kind(431, "headers-too-large", "The headers are too large.", _CLOSE, own_words=True),
    api.BodyTooLargeError: Kind(413, "too-large", "The body is too large.", own_words=True),
    api.SlowBodyError: Kind(408, "slow-body", "The body did not arrive in time.", _CLOSE),
    api.UnsupportedMediaTypeError: Kind(415, "not-json", "The body must be application/json, not compressed."),
    api.TooManyRequestsError: Kind(429, "too-many-requests", _ONE_USER.format("requests"), _SOON),
    api.TooManyOwnRepliesError: Kind(429, "too-many-own-replies", _ONE_USER.format("replies"), _SOON),
    api.TooManyRepliesError: Kind(503, "too-many-replies", "Too many replies at once. Nothing was done.", _SOON),
    api.UnfinishedReplyError: Kind(502, "unfinished-reply", "The assistant did not finish. Its reply is not stored."),
    api.NotReadyError: Kind(503, "not-ready", "The database cannot serve requests.", _SOON, own_words=True),
}
_RETRY_AFTER: Final = {"Retry-After": {"description": "In seconds.", "required": True, "schema": {"type": "integer"}}}
_DOCUMENTED_HEADERS: Final = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}


def problem_of(error: Exception) -> tuple[Kind, Problem]:
    """Return how errors like `error` are answered, and the answer to this one."""
    kind = next((KINDS[cls] for cls in type(error).__mro__ if cls in KINDS), INTERNAL)
    own_words = str(error) if kind.own_words and error.__cause__ is None else ""
    return kind, problem(kind, own_words or kind.detail)


def problem(kind: Kind, detail: str, *, errors: list[dict[str, str]] | None = None) -> Problem:
    """Return a problem of this kind."""
    return Problem(
        type=kind.type, title=HTTPStatus(kind.status).phrase, status=kind.status, detail=detail, errors=errors
    )


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return `problem` as an HTTP response."""
    return Response(problem.model_dump_json(exclude_none=True), problem.status, headers, MEDIA_TYPE)


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
