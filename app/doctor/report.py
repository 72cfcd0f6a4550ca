"""All findings, as data."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.doctor.findings import Finding, Level

_UNREACHED: Final = 3


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an examination; without a connection, how the URL was read and why connecting failed."""

    findings: Sequence[Finding]
    reached: bool = True

    @property
    def worst(self) -> Level:
        """The level of the worst finding."""
        return max((finding.level for finding in self.findings), default=Level.OK)

    @property
    def exit_status(self) -> int:
        """0: no problem, 1: warnings, 2: errors, 3: no connection."""
        if not self.reached:
            return _UNREACHED
        return {Level.WARNING: 1, Level.ERROR: 2}.get(self.worst, 0)

    def as_json(self) -> str:
        """Return the report as JSON; its keys are stable."""
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
        return json.dumps(content, indent=2)
