"""A function on a sharded database: the steps of one call, each of which goes to the user's shard by itself.

Citus sends a statement to a shard as a whole only if no INSERT in it reads from a SELECT or stands in a WITH clause.
Any other it takes apart, at several times the cost, and its parts see each other's rows.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import BindParameter, Executable, Label, column, func, select
from sqlalchemy.sql import ClauseElement

from app.db.engine.dialect import LeanDialect
from app.db.query import ROUTINE_PREFIX

_PARAMETER: Final = re.compile(r"(?<!:):(\w+)")
_DIGITS: Final = 8
_CREATE: Final = """create or replace function {name}({arguments}) returns setof record language plpgsql as $routine$
{body}
$routine$"""


class Routine:
    """A function named after what it does and a digest of it: old and new code each call their own.

    `body` is PL/pgSQL with the `steps` in braces. Their parameters, which begin with ``p_``, are its arguments. It
    returns rows of `columns`.
    """

    def __init__(self, name: str, columns: Sequence[Label[Any]], body: str, steps: Mapping[str, Executable]) -> None:
        self._subject = name
        self._columns = columns
        self._body = body
        self._steps = steps

    @cached_property
    def called(self) -> Executable:
        """The statement that calls it."""
        call = getattr(func, self.name)(*self._parameters.values())
        rows = call.table_valued(*(column(each.name, each.type) for each in self._columns))
        return select(*rows.render_derived("called", with_types=True).c)

    @cached_property
    def name(self) -> str:
        """Its name in the database."""
        digest = sha256(f"{self._arguments}{self._written}".encode()).hexdigest()[:_DIGITS]
        return f"{ROUTINE_PREFIX}{self._subject}_{digest}"

    @property
    def created(self) -> str:
        """The statement that creates it."""
        return _CREATE.format(name=self.name, arguments=self._arguments, body=self._written)

    @cached_property
    def _compiled(self) -> dict[str, Any]:
        dialect = LeanDialect(paramstyle="named", sharded=True)
        compiled = {}
        for name, step in self._steps.items():
            assert isinstance(step, ClauseElement)
            compiled[name] = step.compile(dialect=dialect)
        return compiled

    @cached_property
    def _parameters(self) -> dict[str, BindParameter[Any]]:
        binds = {name: bind for step in self._compiled.values() for name, bind in step.binds.items() if bind.required}
        return dict(sorted(binds.items()))

    @property
    def _arguments(self) -> str:
        return ", ".join(f"{name} {bind.type.compile(LeanDialect())}" for name, bind in self._parameters.items())

    @cached_property
    def _written(self) -> str:
        return self._body.strip().format_map({name: _sql(step) for name, step in self._compiled.items()})


def _sql(compiled: Any) -> str:
    """Return a step with its parameters as the function's arguments, and its constants written out."""
    constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
    if not all(isinstance(value, int) for value in constants.values()):
        raise TypeError(f"write the constants as literals: {constants}")
    return _PARAMETER.sub(lambda found: str(constants.get(found[1], found[1])), compiled.string)
