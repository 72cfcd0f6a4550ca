"""A password that must not be seen, and all the places where an error could show it."""

import traceback
from collections.abc import Iterator

SECRET = "c4n4ry"


def shown_by(error: BaseException) -> str:
    """Return what a log, a debugger's summary or an error tracker writes of `error` and the errors behind it."""
    texts = traceback.format_exception(error)
    for each in _everything_behind(error):
        texts += [str(each), repr(each), repr(each.args), repr(vars(each))]
    return "\n".join(texts)


def _everything_behind(error: BaseException) -> Iterator[BaseException]:
    """Yield `error`, its causes, and the errors suppressed with ``from None``."""
    yield error
    for behind in (error.__cause__, error.__context__):
        if behind is not None:
            yield from _everything_behind(behind)
