"""What an error may say: messages are private, and the server and the driver quote them."""

import re
from collections.abc import Iterator

_VALUES = (
    (re.compile(r"\n(?:DETAIL|CONTEXT|HINT):.*", re.DOTALL), ""),
    (re.compile(r"(query argument \$\d+): .* (\(.*\))$", re.DOTALL), r"\1 \2"),
    (re.compile(r'((?:syntax for type|value for enum) [^:]+|out of range|literal|in tsquery): ".*"', re.DOTALL), r"\1"),
)


def hidden(text: str) -> str:
    """Cut what carries values: the server's DETAIL, the driver's argument, the text that could not be converted."""
    for pattern, replacement in _VALUES:
        text = pattern.sub(replacement, text)
    return text


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and its causes: 57P01 hides two causes down (FAULTS)."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def hide_values(error: BaseException) -> None:
    """Take the row's values out of the texts of `error` and its causes: messages are private."""
    for cause in chain(error):
        if isinstance(cause, UnicodeEncodeError):  # it carries the whole text, not only the character
            cause.object = ""
            cause.args = (cause.encoding, "", cause.start, cause.end, cause.reason)
        cause.args = tuple(hidden(arg) if isinstance(arg, str) else arg for arg in cause.args)
        if isinstance(getattr(cause, "detail", None), str):  # SQLAlchemy's own errors have a list of notes there
            vars(cause)["detail"] = None


def forget_frames(error: BaseException) -> None:
    """Drop the tracebacks of `error` and of all that is chained to it: collectors record the variables of frames."""
    known: set[int] = set()
    left = [error]
    while left:
        each = left.pop()
        known.add(id(each))
        each.__traceback__ = None
        left += [other for other in (each.__cause__, each.__context__) if other and id(other) not in known]
