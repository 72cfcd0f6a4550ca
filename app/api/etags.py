"""The state of a row as an entity tag: when it was last updated, which is different after every update."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Protocol

from fastapi import Header

from app.api.answers import JsonAnswer
from app.api.dependencies import A_STRING
from app.api.errors import PreconditionError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TAG: Final = re.compile(r'"([0-9]{1,17})"', re.ASCII)  # 17 digits end before the year 9999
ETAG_HEADER: Final = {
    "ETag": {
        "description": "The state of what is returned, for `If-Match`.",
        "required": True,
        "schema": {"type": "string"},
    }
}


class Updated(Protocol):
    """A row of a table with `updated_at`, as it was read."""

    @property
    def updated_at(self) -> datetime:
        """When it was last updated."""


def tagged(row: Updated, *, status: int = 200) -> JsonAnswer:
    """Return the answer with `row`, its entity tag in the header ``ETag``."""
    etag = f'"{(row.updated_at - _EPOCH) // _MICROSECOND}"'
    return JsonAnswer(row, of=type(row), status=status, headers={"ETag": etag})


IfMatch = Annotated[
    str | None,
    A_STRING,
    Header(alias="If-Match", description="The `ETag` of what you read. `*`: whatever is there."),
]


def updated_at_of(if_match: str | None) -> datetime | None:
    """Return when the state that ``If-Match`` names was written; None if any will do. Raises `PreconditionError`."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = _TAG.fullmatch(if_match.strip())
    if found is None:  # RFC 9110: a tag that is not ours matches nothing
        raise PreconditionError
    return _EPOCH + int(found[1]) * _MICROSECOND
