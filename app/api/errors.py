"""The errors of the service itself; those of the data are in `app.db.errors`.

ApiError                      everything below; `app.api.problems` says how each is answered
├─ NotAuthenticatedError      no token
│  └─ InvalidTokenError       a token that cannot be believed
├─ KeysUnavailableError       the issuer's keys are needed and cannot be fetched
├─ PreconditionError          `If-Match` names no state that the row ever had
├─ AmbiguousHeaderError       a header that may be there once is there twice
├─ BodyTooLargeError          more than is read
├─ UnsupportedMediaTypeError  a body that is not JSON
├─ TooManyRepliesError        as many answers are in the making as may be
├─ UnfinishedReplyError       the assistant did not finish its answer
└─ NotReadyError              the database cannot be worked with
"""


class ApiError(Exception):
    """Whatever the service itself raises."""


class NotAuthenticatedError(ApiError):
    """There is no token."""


class InvalidTokenError(NotAuthenticatedError):
    """The token is forged, expired, for somebody else, or no token at all."""


class KeysUnavailableError(ApiError):
    """A token cannot be judged: the issuer's keys could not be fetched."""


class PreconditionError(ApiError):
    """The state that the caller expects is not one that this service ever named."""


class AmbiguousHeaderError(ApiError):
    """A header that may be there once is there more often."""


class BodyTooLargeError(ApiError):
    """The body is longer than the service reads."""


class UnsupportedMediaTypeError(ApiError):
    """The body is not JSON, or is compressed."""


class TooManyRepliesError(ApiError):
    """As many answers are in the making as may be; nothing was done."""


class UnfinishedReplyError(ApiError):
    """The assistant failed or took too long; nothing of its answer is stored."""


class NotReadyError(ApiError):
    """The database cannot be worked with; the text says why in plain words."""
