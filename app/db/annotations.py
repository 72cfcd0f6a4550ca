"""Annotations that say more to a type checker than to pydantic, which sees only the type of the value."""

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

__all__ = ["Accepts", "Mapped", "default"]

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapped

    Value = TypeVar("Value")
    Other = TypeVar("Other")

    class Accepts(Generic[Value, Other]):
        """A field that is a `Value`, and that the constructor also takes as `Other`."""

        @overload
        def __get__(self, instance: None, owner: Any) -> Any: ...
        @overload
        def __get__(self, instance: object, owner: Any) -> Value: ...
        def __get__(self, instance: object | None, owner: Any) -> Any: ...
        def __set__(self, instance: object, value: Value | Other) -> None: ...

else:

    class Mapped:
        """A column: on the class SQLAlchemy's attribute with `==` and `desc()`, on an instance the value.

        SQLModel declares only the value, so that `where(Task.user_id == ...)` would be a `bool` to a type checker.
        """

        def __class_getitem__(cls, value: Any) -> Any:
            return value

    class Accepts:
        """A field that is the first type, and that the constructor also takes as the second."""

        def __class_getitem__(cls, types: tuple[Any, Any]) -> Any:
            return types[0]


def default(value: Any) -> Any:
    """Return `value`, the default of a field with one of these annotations."""
    return value
