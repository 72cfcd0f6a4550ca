"""The errors of the service itself; those of the data are in `app.db.errors`.

ApiError                      everything below; `app.api.problems` says how each is answered
├─ NotAuthenticatedError      no token
│  └─ InvalidTokenError       a token that does not verify
├─ KeysUnavailableError       the issuer's keys are needed and cannot be fetched
├─ PreconditionError          `If-Match` names no state that the row ever had
├─ BadRequestError            a head or a body that has two meanings, or none
├─ AddressTooLongError        a path and query longer than the limit
├─ HeadersTooLargeError       more headers, or longer ones, than the limit
├─ BodyTooLargeError          a body longer than its route reads
├─ SlowBodyError              a body that does not arrive in time
├─ UnsupportedMediaTypeError  a body that is not JSON
├─ TooManyRequestsError       the user has as many requests in flight as one user may
├─ TooManyOwnRepliesError     the user has as many replies in flight as one user may
├─ TooManyRepliesError        the service has as many replies in flight as it may
├─ UnfinishedReplyError       the assistant did not finish its reply
└─ NotReadyError              the database cannot serve requests
"""


class ApiError(Exception):
    """Every error that the service itself raises."""


class NotAuthenticatedError(ApiError):
    """The request has no token."""


class InvalidTokenError(NotAuthenticatedError):
    """The token is forged, expired, meant for another audience, or no token at all."""


class KeysUnavailableError(ApiError):
    """The token cannot be verified: the issuer's keys could not be fetched."""


class PreconditionError(ApiError):
    """The state that the caller expects is not one that this service ever named."""


class BadRequestError(ApiError):
    """The head or the body contradicts itself, or is no HTTP or no JSON."""


class AddressTooLongError(ApiError):
    """The path and the query are longer than the service reads."""


class HeadersTooLargeError(ApiError):
    """The request has more headers, or longer ones, than the service reads."""


class BodyTooLargeError(ApiError):
    """The body is longer than its route reads."""


class SlowBodyError(ApiError):
    """The body did not arrive in time."""


class UnsupportedMediaTypeError(ApiError):
    """The body is not JSON, or is compressed."""


class TooManyRequestsError(ApiError):
    """The user has as many requests in flight as one user may; nothing was done."""


class TooManyOwnRepliesError(ApiError):
    """The user has as many replies in flight as one user may; nothing was done."""


class TooManyRepliesError(ApiError):
    """The service has as many replies in flight as it may; nothing was done."""


class UnfinishedReplyError(ApiError):
    """The assistant failed, took too long or said too much; nothing of its reply is stored."""


class NotReadyError(ApiError):
    """The database cannot serve requests; the text says why in plain words."""
