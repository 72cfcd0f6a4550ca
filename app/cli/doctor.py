"""Run the examination from the command line; `report` formats it."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Final

from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape

from app.cli.report import show
from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from app.doctor import Report, examine
from app.doctor.connection.address import not_understood

_INTERRUPTED: Final = 130
_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)


def doctor(url: Sequence[str], console: Console, *, instances: int, write: bool, as_json: bool, verbose: bool) -> int:
    """Examine and print; return the exit status. The words of an unquoted URL are joined, so that none is printed."""
    logging.getLogger("app").setLevel(logging.ERROR)  # the report contains its warnings
    aside = Console(stderr=True)
    status = aside.status("") if aside.is_terminal else nullcontext()
    try:
        with status as spinner:
            tell: Callable[[str], None] = (lambda text: spinner.update(escape(text))) if spinner else (lambda _: None)
            report = asyncio.run(_examined(" ".join(url), tell, instances=instances, write=write))
    except (KeyboardInterrupt, asyncio.CancelledError):
        made = "; the scratch schema was dropped, or will be by the next --write" if write else ""
        aside.print(f"interrupted{made}", soft_wrap=True)
        return _INTERRUPTED
    if as_json:
        sys.stdout.write(f"{report.as_json()}\n")  # unchanged: a console would wrap and colour it
    else:
        show(report, console, verbose=verbose)
    return report.exit_status


async def _examined(url: str, tell: Callable[[str], None], *, instances: int, write: bool) -> Report:
    try:
        # DATABASE_DIRECT_URL belongs to the database in DATABASE_URL, not to the one named here.
        settings = DatabaseSettings(url=SecretStr(url), direct_url=None) if url else DatabaseSettings()
    except ConfigurationError as problem:
        return Report([not_understood(problem)], reached=False)
    _cancel_on_interrupt()
    return await _tidied_up(asyncio.create_task(examine(settings, instances=instances, write=write, tell=tell)))


async def _tidied_up(work: "asyncio.Task[Report]") -> Report:
    """Return the result of `work`; when interrupted, let it clean up and suppress errors meanwhile."""
    try:
        await asyncio.wait([work])
    except asyncio.CancelledError:
        # An abandoned connect leaves behind futures whose errors asyncio would print.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        work.cancel()
        while not work.done():  # a second Ctrl-C must not interrupt the clean-up
            with suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        _ignore_interrupts()
        raise
    return work.result()


def _ignore_interrupts() -> None:
    """Ignore further interrupts: nothing is left to end, and a closing loop cannot handle them."""
    with suppress(NotImplementedError):  # Windows
        for each in _INTERRUPTS:
            asyncio.get_running_loop().remove_signal_handler(each)
            signal.signal(each, signal.SIG_IGN)


def _cancel_on_interrupt() -> None:
    """Cancel the task on Ctrl-C and SIGTERM, so that the scratch schema is dropped."""
    task = asyncio.current_task()
    assert task
    with suppress(NotImplementedError):  # Windows
        for each in _INTERRUPTS:
            asyncio.get_running_loop().add_signal_handler(each, task.cancel)
