"""What is told: a table for people, JSON for programs, and an exit status for both."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.doctor.findings import Finding, Level

UNREACHABLE: Final = 3
_STYLES: Final = {Level.OK: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.ERROR: "bold red"}


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found; without a connection that is one finding."""

    findings: Sequence[Finding]
    reached: bool = True

    @property
    def worst(self) -> Level:
        """The level of the worst finding."""
        return max((finding.level for finding in self.findings), default=Level.OK)

    @property
    def exit_status(self) -> int:
        """0: well, 1: warnings, 2: errors, 3: no connection."""
        if not self.reached:
            return UNREACHABLE
        return {Level.WARNING: 1, Level.ERROR: 2}.get(self.worst, 0)

    def as_json(self) -> str:
        """Return the report as JSON; its keys stay."""
        content: dict[str, Any] = {
            "exit_status": self.exit_status,
            "reached": self.reached,
            "worst": self.worst.name.lower(),
            "findings": [
                {
                    "check": finding.check,
                    "level": finding.level.name.lower(),
                    "found": finding.found,
                    "advice": finding.advice or None,
                }
                for finding in self.findings
            ],
        }
        return json.dumps(content, indent=2, ensure_ascii=False)

    def print_to(self, console: Console) -> None:
        """Print it for a person: each group, and what to do first at the end, where the eye is."""
        for group, findings in groupby(self.findings, key=lambda finding: finding.group):
            console.print(_table(group, list(findings)))
        console.print(self._verdict())

    def _verdict(self) -> Text:
        if not self.reached:
            return Text("Not connected.", _STYLES[Level.ERROR])
        to_mend = [finding for finding in self.findings if finding.level >= Level.WARNING]
        if not to_mend:
            return Text("All is well.", _STYLES[Level.OK])
        text = Text("To do, the worst first:", "bold")
        for finding in sorted(to_mend, key=lambda finding: -finding.level):
            text.append(f"\n{finding.level.name.lower()}: ", _STYLES[finding.level])
            text.append(f"{finding.check}: {finding.found}\n    {finding.advice}")
        return text


def _table(group: str, findings: list[Finding]) -> Table:
    table = Table(title=group, title_justify="left", title_style="bold", expand=True, show_header=False)
    table.add_column(width=7)
    table.add_column(max_width=26, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    for finding in findings:
        said = Text(finding.found)
        if finding.advice:
            said.append(f"\n{finding.advice}", "italic")
        table.add_row(Text(finding.level.name.lower(), _STYLES[finding.level]), finding.name, said)
    return table
