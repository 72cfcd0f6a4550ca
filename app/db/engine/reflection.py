"""SQLAlchemy's own queries of the system catalogs, written so that no planted operator or function is taken."""

from functools import cached_property
from typing import Any, Final

from sqlalchemy import BindParameter
from sqlalchemy.dialects.postgresql.asyncpg import PGCompiler_asyncpg
from sqlalchemy.sql import operators
from sqlalchemy.sql.functions import Function
from sqlalchemy.sql.visitors import iterate

_SCHEMA: Final = "pg_catalog"
_EQUALS: Final = f"OPERATOR({_SCHEMA}.=)"
_QUALIFIED: Final[dict[Any, Any]] = {
    getattr(operators, name): operators.custom_op(f"OPERATOR({_SCHEMA}.{sign})")
    for name, sign in {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}.items()
}


class CatalogCompiler(PGCompiler_asyncpg):
    """Qualifies the names in a statement that reads tables of `pg_catalog`; others are written as usual.

    Reflection compares names with varchars, and flags with texts: `pg_catalog` has no operator of exactly these types,
    but another role may create one in a schema of the search_path.
    """

    @cached_property
    def _reads_the_catalog(self) -> bool:
        found = iterate(self.statement) if self.statement is not None else ()
        return any(getattr(getattr(each, "table", each), "schema", None) == _SCHEMA for each in found)

    def visit_binary(self, binary: Any, override_operator: Any = None, *arguments: Any, **more: Any) -> str:
        """Write a comparison; ``IN`` has no qualified form, but ``= ANY`` means the same."""
        if override_operator is None and self._reads_the_catalog:
            override_operator = _QUALIFIED.get(binary.operator)
            if binary.operator is operators.in_op and isinstance(binary.right, BindParameter):
                left, values = self.process(binary.left, **more), self.process(binary.right, **more)
                return f"{left} {_EQUALS} ANY (ARRAY[{values.removeprefix('(').removesuffix(')')}])"
        written: str = super().visit_binary(binary, override_operator, *arguments, **more)  # type: ignore[no-untyped-call]  # SQLAlchemy's compilers are not typed
        return written

    def visit_function(self, func: Function[Any], *arguments: Any, **more: Any) -> str:
        """Write a call; the names that are syntax, such as ``coalesce``, cannot be planted."""
        written = super().visit_function(func, *arguments, **more)
        plain = self._reads_the_catalog and not func.packagenames and written.startswith(f"{func.name}(")
        return f"{_SCHEMA}.{written}" if plain and func.name != "coalesce" else written
