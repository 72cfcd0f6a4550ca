"""Compare indexes: PostgreSQL rewrites their expressions, and Alembic does not look at their predicates."""

import re
from typing import Any, Final

from sqlalchemy import Index

from app.db.migrations.autogenerate.checks import differ, text_of

_SORTING: Final = re.compile(r"(\s+(asc|desc))?(\s+nulls\s+(first|last))?\s*$", re.IGNORECASE)
_PLAIN: Final = re.compile(r'\w+|"[^"]+"')
_OPTION: Final = "nulls_not_distinct"


def is_rewritten(ours: Index, there: Index) -> bool:
    """Return whether the two differ in nothing but how PostgreSQL writes the expressions."""
    alike = ours.unique == there.unique and len(ours.expressions) == len(there.expressions)
    return (
        alike
        and _option(ours, _OPTION) == _option(there, _OPTION)
        and all(map(_are_alike, _texts(ours), _texts(there), [_names(ours)] * len(ours.expressions)))
    )


def has_same_predicate(ours: Index, there: Index) -> bool:
    """Return whether the two are of the same rows, as far as columns and constants tell."""
    wanted, found = (_option(each, "where") for each in (ours, there))
    if wanted is None or found is None:
        return wanted is found
    return _say_the_same(text_of(wanted), str(found), _names(ours))


def _option(index: Index, name: str) -> Any:
    return index.dialect_options["postgresql"][name]


def _texts(index: Index) -> list[str]:
    return [text_of(each) for each in index.expressions]


def _names(index: Index) -> set[str]:
    return set(index.table.columns.keys()) if index.table is not None else set()


def _are_alike(wanted: str, there: str, names: set[str]) -> bool:
    (wanted, order), (there, other_order) = _unsorted(wanted), _unsorted(there)
    if order != other_order:
        return False
    if _PLAIN.fullmatch(wanted) or _PLAIN.fullmatch(there):
        return wanted == there
    return _say_the_same(wanted, there, names)


def _unsorted(expression: str) -> tuple[str, tuple[bool, bool]]:
    """Return the expression, whether it is sorted downwards, and whether nulls come first."""
    found = _SORTING.search(expression)
    assert found
    downwards = (found[2] or "").lower() == "desc"
    nulls_first = found[4].lower() == "first" if found[4] else downwards
    return expression[: found.start()].strip(), (downwards, nulls_first)


def _say_the_same(wanted: str, there: str, names: set[str]) -> bool:
    columns = [names & set(re.findall(r"\w+", each)) for each in (wanted, there)]
    return columns[0] == columns[1] and not differ(wanted, there)
