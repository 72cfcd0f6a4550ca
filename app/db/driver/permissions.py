"""Which right is missing when the server refuses, on which object, and the statement that grants it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

APPLICATION_RIGHTS: Final = ("select", "insert", "update", "delete")
"""What the application does with each table of the models."""
READER_RIGHTS: Final = ("select",)
_NAME: Final = r'"?(?P<name>[^"]+?)"?$'
_SERVER_ADMIN: Final = "As a superuser, or in your provider's console"
_OWNER: Final = "As the owner or a superuser"
_INDEX: Final = (
    "do $$ begin execute format('alter table %s owner to %I', "
    "(select indrelid::regclass from pg_index where indexrelid = '{name}'::regclass), '{role}'); end $$"
)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A text of the server, and the statement that removes its cause; `by` is the role that can run it."""

    sqlstate: str
    pattern: str
    right: str
    statement: str
    by: str = _OWNER


_CONNECTING: Final = (
    _Refusal("42501", f"permission denied for database {_NAME}", "connect to the database {name}",
             "grant connect on database {name} to {role};"),
    _Refusal("3D000", f"database {_NAME}".replace("$", " does not exist"), "use the database {name}: it does not exist",
             "create database {name} owner {role};", _SERVER_ADMIN),
    _Refusal("28000", f"role {_NAME}".replace("$", " does not exist"), "log in: it does not exist",
             "create role {role} login password '...';", _SERVER_ADMIN),
    _Refusal("28000", "is not permitted to log in", "log in", "alter role {role} login;", _SERVER_ADMIN),
)  # fmt: skip
# Not the system's own tables: a statement that reads pg_authid is no reason to grant rights on it.
_TABLE: Final = re.compile(f'permission denied for (table|view|relation) (?!"?pg_){_NAME}')
_SCHEMA: Final = re.compile(f"permission denied for schema {_NAME}")
_NO_FILES: Final = re.compile(r'extension "([^"]+)" is not available|extension control file "[^"]*/([^/"]+)\.control"')
_WORKING: Final = (
    _Refusal("42501", f"permission denied for schema {_NAME}", "use the schema {name}, or create objects in it",
             "grant usage, create on schema {name} to {role};"),
    _Refusal("42501", f"permission denied for database {_NAME}", "create schemas in the database {name}",
             "grant create on database {name} to {role};"),
    _Refusal("42501", f"permission denied for sequence {_NAME}", "use the sequence {name}",
             "grant usage, select on sequence {name} to {role};"),
    _Refusal("42501", f"permission denied for type {_NAME}", "use the type {name}",
             "grant usage on type {name} to {role};"),
    _Refusal("42501", f"permission denied for function {_NAME}", "call the function {name}",
             "grant execute on function {name} to {role};"),
    _Refusal("42501", f"permission denied to create extension {_NAME}", "create the extension {name}",
             "create extension {name};", _SERVER_ADMIN),
    _Refusal("42501", f"must be owner of index {_NAME}", "change the index {name}", _INDEX),
    _Refusal("42501", f"must be owner of (table|relation) {_NAME}", "change the table {name}",
             "alter table {name} owner to {role};"),
    _Refusal("42501", f"must be owner of (?P<kind>function|type|sequence|schema|view) {_NAME}",
             "change the {kind} {name}", "alter {kind} {name} owner to {role};"),
    _Refusal("3F000", "no schema has been selected to create in", "create objects in any schema of the search_path",
             "create schema if not exists {schema}; grant usage, create on schema {schema} to {role};"),
    _Refusal("3F000", f"schema {_NAME}".replace("$", " does not exist"), "use the schema {name}: it does not exist",
             "create schema {name} authorization {role};"),
)  # fmt: skip


class Remedy(NamedTuple):
    """A right that a role lacks, and the statement that grants it."""

    role: str
    right: str
    by: str
    statement: str

    def __str__(self) -> str:
        return f"The role {self.role} may not {self.right}. {self.by}: {self.statement}"


def remedy_of(
    sqlstate: str | None,
    text: str,
    *,
    role: str,
    schema: str = "public",
    connecting: bool = False,
    read_only: str | None = None,
) -> str | None:
    """Return which right `role` lacks and the statement that grants it; None if the error is not a missing right.

    `text` is the server's, in English; for another language there is no remedy. `schema` is where objects are created.
    An application names the table that it only reads in `read_only`; what migrates needs more rights.
    """
    if not connecting and (missing := _NO_FILES.search(text)):
        return _not_installed(missing[1] or missing[2])
    if not connecting and sqlstate == "42501" and (table := _TABLE.search(text)):
        rights = READER_RIGHTS if table["name"] == read_only else APPLICATION_RIGHTS
        return str(table_remedy(table["name"], rights, role=role, schema=schema))
    if read_only and sqlstate == "42501" and (place := _SCHEMA.search(text)):
        return str(schema_remedy(place["name"], role=role))
    for refusal in _CONNECTING if connecting else _WORKING:
        found = re.search(refusal.pattern, text) if refusal.sqlstate == sqlstate else None
        if found:
            names = {key: _quoted(value) for key, value in found.groupdict().items() if key == "name"}
            kind = found.groupdict().get("kind") or ""
            words = {"role": _quoted(role), "schema": _quoted(schema), "kind": kind, **names}
            right, statement = refusal.right.format(**words), refusal.statement.format(**words)
            return str(Remedy(words["role"], right, refusal.by, statement))
    return None


def table_remedy(table: str, rights: Sequence[str], *, role: str, schema: str = "public") -> Remedy:
    """Return how `role` gets all `rights` on a table; `schema` is named only if it is not the usual one."""
    name = _quoted(table) if schema == "public" else f"{_quoted(schema)}.{_quoted(table)}"
    right = f"{'read' if tuple(rights) == READER_RIGHTS else 'read or write'} the table {name}"
    return Remedy(_quoted(role), right, _OWNER, f"grant {', '.join(rights)} on {name} to {_quoted(role)};")


def schema_remedy(schema: str, *, role: str) -> Remedy:
    """Return how `role` gets to see the tables of a schema."""
    name = _quoted(schema)
    return Remedy(_quoted(role), f"use the schema {name}", _OWNER, f"grant usage on schema {name} to {_quoted(role)};")


def _not_installed(name: str) -> str:
    return (
        f"The extension {name} has no files on the server, and CREATE EXTENSION needs them: install its "
        "package there, or choose a server that has it. pg_available_extensions lists what a server has"
    )


def _quoted(name: str) -> str:
    """Return an identifier as written in SQL; what the server prints with a schema or arguments stays unchanged."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)?(\(.*\))?", name) else f'"{name}"'
