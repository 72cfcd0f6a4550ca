"""The optional parts of the package, as `pyproject.toml` names them."""

from importlib.util import find_spec


class MissingExtraError(ImportError):
    """An optional part of the package is used and what it needs is not installed."""


def how_to_install(extra: str) -> str:
    """Return the part of a message that says how to install the extra."""
    return f"install this package with its extra `{extra}`; from a checkout: pip install '.[{extra}]'"


def require_extra(extra: str, *modules: str) -> None:
    """Raise `MissingExtraError`, which says what to install, unless every one of `modules` is there."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise MissingExtraError(f"{', '.join(missing)} {verb} not installed: {how_to_install(extra)}", name=missing[0])
