"""The examination, as a person or a program starts it."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from pydantic import SecretStr, ValidationError
from rich.console import Console

from app.db import DatabaseSettings
from app.doctor import Report, examine
from app.doctor.connecting import without_settings

_INTERRUPTED: Final = 130


def doctor(url: Sequence[str], console: Console, *, instances: int, write: bool, as_json: bool) -> int:
    """Examine and print; return the exit status. The words of an unquoted URL are one, so that none is shown."""
    logging.getLogger("app").setLevel(logging.ERROR)  # what it would warn of is in the report
    try:
        report = asyncio.run(_examined(" ".join(url), instances=instances, write=write))
    except (KeyboardInterrupt, asyncio.CancelledError):
        Console(stderr=True).print("interrupted; what the doctor made is removed")
        return _INTERRUPTED
    if as_json:
        print(report.as_json())  # noqa: T201 - as it is: a console would wrap and colour it
    else:
        report.print_to(console)
    return report.exit_status


async def _examined(url: str, *, instances: int, write: bool) -> Report:
    try:
        # DATABASE_DIRECT_URL is of the database in DATABASE_URL, not of one that is named here.
        settings = DatabaseSettings(url=SecretStr(url), direct_url=None) if url else DatabaseSettings()
    except ValidationError as problem:
        return Report([without_settings(problem)], reached=False)
    _end_in_order_when_asked()
    return await _tidied_up(asyncio.create_task(examine(settings, instances=instances, write=write)))


async def _tidied_up(work: "asyncio.Task[Report]") -> Report:
    """Return what comes of it; when interrupted let it tidy up first, and be silent about what breaks meanwhile."""
    try:
        await asyncio.wait([work])
    except asyncio.CancelledError:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        raise
    return work.result()


def _end_in_order_when_asked() -> None:
    """Take SIGTERM for Ctrl-C: the scratch schema is removed, too."""
    task = asyncio.current_task()
    assert task
    with suppress(NotImplementedError):  # Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
