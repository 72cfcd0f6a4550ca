"""What an error collector records: every variable of every frame reachable from an error or a log record."""

import logging
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType

_NOT_OURS = ("/tests/", "/_pytest/", "/pluggy/", "/pytest_asyncio/", "/hypothesis/", "/xdist/", "/execnet/")


def recorded_of(error: BaseException) -> str:
    """Return the texts of `error` and of all errors chained to it, and the variables of their frames.

    The frames of the tests are left out, because they hold what the test itself wrote.
    """
    return "\n".join(text for each in chained(error) for text in _recorded(each))


def recorded_by(records: Iterable[logging.LogRecord]) -> str:
    """Return the same for log records, their arguments, and the errors that they carry."""
    texts = []
    for record in records:
        texts.append(record.getMessage() + repr(vars(record)))
        arguments = record.args if isinstance(record.args, tuple) else ()
        errors = [argument for argument in arguments if isinstance(argument, BaseException)]
        if record.exc_info and record.exc_info[1]:
            errors.append(record.exc_info[1])
        texts += map(recorded_of, errors)
    return "\n".join(texts)


def chained(error: BaseException) -> Iterator[BaseException]:
    """Yield `error`, its causes, the errors suppressed by ``from None``, and the members of groups, each once."""
    found: list[BaseException] = []
    left = [error]
    while left:
        each = left.pop()
        if not any(each is known for known in found):
            found.append(each)
            behind = [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
            left += [other for other in behind if other is not None]
    yield from found


def _recorded(error: BaseException) -> Iterator[str]:
    yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
    for frame in _frames(error.__traceback__):
        if not any(part in frame.f_code.co_filename for part in _NOT_OURS):
            yield from map(_written, frame.f_locals.values())


def _frames(traceback: TracebackType | None) -> Iterator[FrameType]:
    """Yield the frames of a traceback and those that called them."""
    seen: set[int] = set()
    while traceback is not None:
        frame: FrameType | None = traceback.tb_frame
        while frame is not None and id(frame) not in seen:
            seen.add(id(frame))
            yield frame
            frame = frame.f_back
        traceback = traceback.tb_next


def _written(value: object) -> str:
    """Return what a collector writes of a variable; it takes a string as it is, even if its class overrides `repr`."""
    try:
        return str.__str__(value) if isinstance(value, str) else f"{value!r}{_fields(value)}"
    except Exception as error:  # noqa: BLE001 - a half-initialized object may raise anything
        return repr(error)


def _fields(value: object) -> str:
    return repr(list(value.items())) if isinstance(value, dict) else ""
