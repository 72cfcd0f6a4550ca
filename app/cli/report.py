"""Print a doctor's report on a terminal."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.doctor import Finding, Level, Report

_STYLES: Final = {Level.OK: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.ERROR: "bold red"}
_GROUP_WIDTH: Final = 15
_WORST_FIRST: Final = sorted(Level, reverse=True)


def show(report: Report, console: Console, *, verbose: bool) -> None:
    """Print a line for each group, or every finding if `verbose`; the advice comes last, next to the prompt."""
    for group, each in groupby(report.findings, key=lambda finding: finding.group):
        findings = list(each)
        console.print(_heading(group, findings))
        if verbose:
            console.print(_table(findings))
    console.print(_verdict(report, verbose=verbose), soft_wrap=True)  # so that a statement can be copied
    console.print(_what_to_do(report), soft_wrap=True, end="")


def _heading(group: str, findings: Sequence[Finding]) -> Text:
    heading = Text(group.ljust(_GROUP_WIDTH), "bold")
    counts = [Text(_counted(level, count), _STYLES[level]) for level, count in _counts(findings).items()]
    return heading.append_text(Text(", ", "default").join(counts))


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 1))
    table.add_column(width=7)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        found = Text(finding.found)
        if finding.advice:
            found.append(f"\n-> {finding.advice}", "italic")
        table.add_row(Text(finding.level.name.lower(), _STYLES[finding.level]), finding.name, found)
    return table


def _verdict(report: Report, *, verbose: bool) -> Text:
    counts = _counts(report.findings)
    words = ", ".join(_counted(level, count) for level, count in counts.items() if level is not Level.OK)
    more = "" if verbose else "; --verbose shows every finding"
    if report.exit_status == 0:
        return Text(
            f"\nAll is well. {', '.join(filter(None, [f'{len(report.findings)} findings', words]))}{more}.", "green"
        )
    connected = "" if report.reached else "Not connected. "
    return Text(f"\n{connected}{words}{more}. What to do:", "bold")


def _what_to_do(report: Report) -> Text:
    """Return what is wrong and what to do about it, the worst first; each advice appears once."""
    by_advice: dict[str, list[Finding]] = {}
    for finding in sorted(report.findings, key=lambda finding: -finding.level):
        if finding.advice:
            by_advice.setdefault(finding.advice, []).append(finding)
    text = Text()
    for advice, findings in by_advice.items():
        for finding in findings:
            text.append(f"{finding.level.name.lower()}: ", _STYLES[finding.level])
            text.append(f"{finding.check}: {finding.found}\n")
        text.append(f"    {advice}\n")
    return text


def _counts(findings: Sequence[Finding]) -> Mapping[Level, int]:
    """Return how many findings there are of each level that occurs, the worst first."""
    counts = {level: sum(finding.level is level for finding in findings) for level in _WORST_FIRST}
    return {level: count for level, count in counts.items() if count}


def _counted(level: Level, count: int) -> str:
    plural = "" if level is Level.OK or count == 1 else "s"
    return f"{count} {level.name.lower()}{plural}"
