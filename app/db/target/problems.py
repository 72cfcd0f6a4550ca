"""What is wrong with the settings of a database, in one sentence."""

from pydantic import ValidationError


def settings_problem(error: ValidationError) -> str:
    """Return the name of each setting that cannot be used and the reason, without its value."""
    details = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(_part(each["type"], str(next(iter(each["loc"]), "")), each["msg"]) for each in details)


def _part(kind: str, name: str, message: str) -> str:
    if kind == "missing" or not name:
        return message
    return f"{name if name.startswith('DATABASE_') else f'DATABASE_{name.upper()}'}: {message}"
