"""The types of the fixtures that create databases: each call returns the URL of a new one."""

from collections.abc import Awaitable, Callable

MakeDatabase = Callable[..., Awaitable[str]]
"""`make_database`: an empty database; `template` names one to copy."""
EmptyCopy = Callable[[], Awaitable[str]]
"""`empty_copy`: a database at head, without rows."""
