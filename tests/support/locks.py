"""The lock files in requirements/, checked against what their packages require."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT: Final = Path(__file__).parents[2]
LOCKS: Final = sorted((ROOT / "requirements").glob("*.txt"))
_CONTINUED: Final = re.compile(r"\\\s*\n")
_OPTIONS: Final = re.compile(r"\s--\w.*")

_EXTRAS: Final = {"run": ("api", "cli", "embedded"), "bench": ("api", "cli", "embedded")}

Metadata = Mapping[str, Any]
Environment = Mapping[str, str]


def pins(lock: str) -> list[Requirement]:
    """Return the pins of a lock's text; a package may have two, for different Pythons."""
    lines = _CONTINUED.sub(" ", lock).splitlines()
    return [Requirement(_OPTIONS.sub("", line)) for line in lines if line.strip()]


def names(lock: str) -> set[str]:
    """Return the normalized names of the packages that a lock's text pins."""
    return {canonicalize_name(pin.name) for pin in pins(lock)}


def asked_for(lock: str) -> Metadata:
    """Return what pyproject.toml requires, as metadata of a package that needs a lock's extras and group."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    groups = project["dependency-groups"]
    needed = [*project["project"]["dependencies"], *groups.get(lock, [])]
    needed += [line for extra in (extras if lock == "dev" else _EXTRAS[lock]) for line in extras[extra]]
    return {"requires_dist": needed}


def metadata_of(report: Path) -> dict[str, Metadata]:
    """Return the metadata of each package in a report of ``pip install --report``."""
    installed = json.loads(report.read_text())["install"]
    return {canonicalize_name(item["metadata"]["name"]): item["metadata"] for item in installed}


def missing(lock: str, metadata: Mapping[str, Metadata], environment: Environment) -> list[str]:
    """Return what packages of the lock require in an environment and the lock does not pin."""
    given: dict[str, Requirement] = {
        canonicalize_name(pin.name): pin for pin in pins(lock) if _applies(pin, environment)
    }
    return [
        f"{name} needs {needed}"
        for name, pin in given.items()
        for needed in _needed(metadata.get(name, {}), pin, environment)
        if not _gives(given, needed)
    ]


def _needed(metadata: Metadata, pin: Requirement, environment: Environment) -> Iterator[Requirement]:
    for requirement in map(Requirement, metadata.get("requires_dist", [])):
        if any(_applies(requirement, {**environment, "extra": extra}) for extra in ("", *pin.extras)):
            yield requirement


def _gives(given: Mapping[str, Requirement], needed: Requirement) -> bool:
    pin = given.get(canonicalize_name(needed.name))
    if pin is None:
        return False
    version = Version(next(iter(pin.specifier)).version)
    return needed.extras <= pin.extras and needed.specifier.contains(version, prereleases=True)


def _applies(requirement: Requirement, environment: Environment) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(dict(environment))
