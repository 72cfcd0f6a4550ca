"""The examination, as a person or a program starts it."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from itertools import groupby
from typing import Final

from pydantic import SecretStr, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from app.db import DatabaseSettings
from app.doctor import Finding, Level, Report, examine
from app.doctor.address import without_settings

_INTERRUPTED: Final = 130
_ASKED: Final = (signal.SIGINT, signal.SIGTERM)
_STYLES: Final = {Level.OK: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.ERROR: "bold red"}


def doctor(url: Sequence[str], console: Console, *, instances: int, write: bool, as_json: bool) -> int:
    """Examine and print; return the exit status. The words of an unquoted URL are one, so that none is shown."""
    logging.getLogger("app").setLevel(logging.ERROR)  # what it would warn of is in the report
    aside = Console(stderr=True)
    status = aside.status("") if aside.is_terminal else nullcontext()
    try:
        with status as spinner:
            tell: Callable[[str], None] = (lambda text: spinner.update(escape(text))) if spinner else (lambda _: None)
            report = asyncio.run(_examined(" ".join(url), tell, instances=instances, write=write))
    except (KeyboardInterrupt, asyncio.CancelledError):
        made = "; what the doctor made is removed, or will be by the next --write" if write else ""
        aside.print(f"interrupted{made}", soft_wrap=True)
        return _INTERRUPTED
    if as_json:
        sys.stdout.write(f"{report.as_json()}\n")  # as it is: a console would wrap and colour it
    else:
        _show(report, console)
    return report.exit_status


async def _examined(url: str, tell: Callable[[str], None], *, instances: int, write: bool) -> Report:
    try:
        # DATABASE_DIRECT_URL is of the database in DATABASE_URL, not of one that is named here.
        settings = DatabaseSettings(url=SecretStr(url), direct_url=None) if url else DatabaseSettings()
    except ValidationError as problem:
        return Report([without_settings(problem)], reached=False)
    _end_in_order_when_asked()
    return await _tidied_up(asyncio.create_task(examine(settings, instances=instances, write=write, tell=tell)))


async def _tidied_up(work: "asyncio.Task[Report]") -> Report:
    """Return what comes of it; when interrupted let it tidy up first, and be silent about what breaks meanwhile."""
    try:
        await asyncio.wait([work])
    except asyncio.CancelledError:
        # A connect that is given up leaves futures behind whose errors asyncio would print.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        work.cancel()
        while not work.done():  # who is impatient interrupts again
            with suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        _end_in_peace()
        raise
    return work.result()


def _end_in_peace() -> None:
    """Ignore whoever interrupts from now on: nothing is left to end, and a loop that closes cannot be told."""
    with suppress(NotImplementedError):  # Windows
        for asked in _ASKED:
            asyncio.get_running_loop().remove_signal_handler(asked)
            signal.signal(asked, signal.SIG_IGN)


def _end_in_order_when_asked() -> None:
    """Take Ctrl-C and SIGTERM for a wish to end, so that the scratch schema is removed."""
    task = asyncio.current_task()
    assert task
    with suppress(NotImplementedError):  # Windows
        for asked in _ASKED:
            asyncio.get_running_loop().add_signal_handler(asked, task.cancel)


def _show(report: Report, console: Console) -> None:
    """Print it for a person: each group, and what to do at the end, where the eye is."""
    for group, findings in groupby(report.findings, key=lambda finding: finding.group):
        console.print(_table(group, list(findings)))
    console.print(_verdict(report), soft_wrap=True)  # so that a statement can be copied


def _table(group: str, findings: list[Finding]) -> Table:
    table = Table(title=group, title_justify="left", title_style="bold", show_header=False, box=None, padding=(0, 1))
    table.add_column(width=7)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        said = Text(finding.found)
        if finding.advice:
            said.append(f"\n-> {finding.advice}", "italic")
        table.add_row(Text(finding.level.name.lower(), _STYLES[finding.level]), finding.name, said)
    return table


def _verdict(report: Report) -> Text:
    to_mend = [finding for finding in report.findings if finding.level >= Level.WARNING]
    if not to_mend:
        return Text(f"\nAll is well. {len(report.findings)} findings, {_counted(report, Level.NOTE)}.", "green")
    counts = ", ".join(_counted(report, level) for level in (Level.ERROR, Level.WARNING) if _count(report, level))
    connected = "" if report.reached else "Not connected. "
    text = Text(f"\n{connected}{counts}; what to do, the worst first:", "bold")
    for finding in sorted(to_mend, key=lambda finding: -finding.level):
        text.append(f"\n{finding.level.name.lower()}: ", _STYLES[finding.level])
        text.append(f"{finding.check}: {finding.found}\n    {finding.advice}")
    return text


def _counted(report: Report, level: Level) -> str:
    count = _count(report, level)
    return f"{count} {level.name.lower()}{'' if count == 1 else 's'}"


def _count(report: Report, level: Level) -> int:
    return sum(finding.level is level for finding in report.findings)
