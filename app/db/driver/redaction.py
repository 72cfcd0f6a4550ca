"""Keep the values of rows out of errors: messages are private, and the server and asyncpg quote them."""

import re
from collections.abc import Iterator

DEPENDED_ON = "2BP01"
"""The DETAIL of this SQLSTATE lists the objects that depend on what was to be dropped, and no values."""
_VALUES = (
    (r"(?s)\n(?:DETAIL|CONTEXT|HINT):.*", ""),
    (r"(?s)(query argument \$\d+)(?: in element #\d+ of executemany\(\) sequence)?: .* (\(.*\))$", r"\1 \2"),
    (r'(?s)((?:syntax for type|value for enum) [^:]+|out of range|literal|in tsquery): ".*"', r"\1"),
)


def without_values(text: str) -> str:
    """Return `text` without the server's DETAIL, asyncpg's argument and text that could not be converted."""
    for pattern, replacement in _VALUES:
        text = re.sub(pattern, replacement, text)
    return text


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and its causes: when the server ends a statement, 57P01 is the cause of the cause."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__


def hide_values(error: BaseException) -> None:
    """Remove the values of rows from the texts of `error` and its causes."""
    for cause in chain(error):
        if isinstance(cause, UnicodeEncodeError):  # it holds the whole text, not only the character
            cause.object = ""
            cause.args = (cause.encoding, "", cause.start, cause.end, cause.reason)
        cause.args = tuple(without_values(arg) if isinstance(arg, str) else arg for arg in cause.args)
        names_objects = getattr(cause, "sqlstate", None) == DEPENDED_ON
        has_detail = isinstance(getattr(cause, "detail", None), str)  # SQLAlchemy keeps a list of notes there
        if has_detail and not names_objects:
            vars(cause)["detail"] = None


def forget_frames(error: BaseException) -> None:
    """Drop the tracebacks of `error` and its chained errors: error collectors record the variables of frames."""
    known: set[int] = set()
    left = [error]
    while left:
        each = left.pop()
        known.add(id(each))
        each.__traceback__ = None
        left += [other for other in (each.__cause__, each.__context__) if other and id(other) not in known]
