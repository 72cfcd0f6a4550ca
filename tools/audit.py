"""Check the pinned packages for known vulnerabilities, and say clearly when that is not possible."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

LOCKED: Final = Path("requirements/run.txt")
_COMMAND: Final = ("pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json")
_UNREACHABLE: Final = (
    "audit: NOT DONE: the database of vulnerabilities cannot be reached from here. Nothing is known of these packages; "
    "run `make check` once on a machine that reaches it."
)
# Whatever stands between: no route, a proxy with its own certificate, a page for logging in, a limit on requests.
_NO_ANSWER: Final = re.compile(r"(requests\.exceptions\.\w+|\w*(?:Connection|Timeout)Error)\b.*")


def main() -> int:
    """Audit the packages of an installation; return 1 if one has a known vulnerability."""
    ran = subprocess.run(  # noqa: S603 - its own interpreter and constants
        [sys.executable, "-m", *_COMMAND, "--requirement", str(LOCKED)], capture_output=True, text=True, check=False
    )
    status, words = verdict(ran.stdout, ran.stderr)
    print(words)  # noqa: T201 - a command
    return status


def verdict(output: str, errors: str) -> tuple[int, str]:
    """Return the exit status and the text to print for pip-audit's output."""
    try:
        packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        unanswered = _NO_ANSWER.search(errors)
        if unanswered:
            return 0, f"{_UNREACHABLE}\n{unanswered[0]}"
        return 1, f"audit: pip-audit failed:\n{errors}"
    audited = [package for package in packages if "skip_reason" not in package]
    if not audited:  # pip-audit treats an index that does not answer as one without these packages, and reports success
        return 0, _UNREACHABLE
    found = [
        f"{package['name']} {package['version']}: {_shown(each)}" for package in audited for each in package["vulns"]
    ]
    if found:
        return 1, "\n".join(["audit: known vulnerabilities:", *found])
    skipped = len(packages) - len(audited)
    return 0, f"audit: {len(audited)} packages, none with a known vulnerability" + (
        f"; {skipped} could not be looked up" if skipped else ""
    )


def _shown(vulnerability: dict[str, Any]) -> str:
    fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
    return f"{vulnerability['id']}, fixed in {fixed}"


if __name__ == "__main__":
    sys.exit(main())
