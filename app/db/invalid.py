"""What pydantic says of a value that it refuses."""

from collections.abc import Mapping


def words_of(problem: Mapping[str, object]) -> str:
    """Return the message, without the class of the exception that a validator of ours raised."""
    return str(problem["msg"]).removeprefix("Value error, ")
