"""How long the body of each operation may be, from the schema of what the operation takes."""

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

from starlette.routing import compile_path

SMALL_BODY_BYTES: Final = 65_536
"""The longest body of an operation whose fields are short, and of every path that the schema does not have."""
_BYTES_PER_CHARACTER: Final = 12  # JSON in ASCII writes one character as two escapes of six bytes
_FIXED_BYTES: Final = 64  # what a number, a time or a UUID takes at most
_FIXED_FORMATS: Final = frozenset({"date", "date-time", "time", "duration", "uuid"})
_NO_LIMIT: Final = float("inf")

_Schema = Mapping[str, Any]


class BodyLimits:
    """The limits of an application, routes that were added after it was made included.

    An operation whose fields together may be longer than `SMALL_BODY_BYTES` may have a body of `most` bytes.
    """

    def __init__(self, openapi: Callable[[], _Schema], *, most: int) -> None:
        self._openapi = openapi
        self._most = most

    def of(self, method: str, path: str, declared: int | None) -> int:
        """Return the limit in bytes of a request to `path`, without a prefix, that declares so many, if any.

        The schema takes 0.1 s to be made, once: it is made for the first body that is not declared to be small.
        """
        is_small = declared is not None and declared <= SMALL_BODY_BYTES
        if not is_small and any(method == each and pattern.fullmatch(path) for each, pattern in self._long_bodies):
            return self._most
        return min(SMALL_BODY_BYTES, self._most)

    @cached_property
    def _long_bodies(self) -> list[tuple[str, re.Pattern[str]]]:
        document = self._openapi()
        components = document.get("components", {}).get("schemas", {})
        return [
            (method.upper(), compile_path(path)[0])
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            if _most_bytes_of_body(operation, components) > SMALL_BODY_BYTES
        ]


def _most_bytes_of_body(operation: _Schema, components: _Schema) -> float:
    content = operation.get("requestBody", {}).get("content", {})
    return max((_most_bytes(each.get("schema", {}), components) for each in content.values()), default=0)


def _most_bytes(schema: _Schema, components: _Schema) -> float:  # noqa: PLR0911 - one for each kind of schema
    """Return how long a value of this schema can be in JSON without spaces; infinity if nothing limits it."""
    match schema:
        case {"$ref": reference}:
            name = reference.rpartition("/")[2]
            others = {key: value for key, value in components.items() if key != name}
            return _most_bytes(components[name], others) if name in components else _NO_LIMIT  # a recursive one
        case {"anyOf": choices} | {"oneOf": choices}:
            return max(_most_bytes(each, components) for each in choices)
        case {"enum": values}:
            return max(len(str(value)) for value in values) * _BYTES_PER_CHARACTER
        case {"type": "string", "maxLength": length}:
            return int(length) * _BYTES_PER_CHARACTER
        case {"const": value}:
            return len(str(value)) * _BYTES_PER_CHARACTER
        case {"type": "boolean" | "integer" | "number" | "null"}:
            return _FIXED_BYTES
        case {"type": "string", "format": name} if name in _FIXED_FORMATS:
            return _FIXED_BYTES
        case {"type": "object", "properties": fields}:
            return sum(len(name) + _FIXED_BYTES + _most_bytes(each, components) for name, each in fields.items())
        case {"type": "array", "maxItems": length, "items": item}:
            return int(length) * _most_bytes(item, components)
    return _NO_LIMIT
