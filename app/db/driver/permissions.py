"""Which right is missing when the server refuses, on which object, and the statement that grants it."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

APPLICATION_RIGHTS: Final = ("select", "insert", "update", "delete")
"""What the application does with each table of the models."""
READER_RIGHTS: Final = ("select",)
_NAME: Final = r'"?(?P<name>[^"]+?)"?$'
_ABSENT: Final = _NAME.replace("$", " does not exist")
_SERVER_ADMIN: Final = "As a superuser, or in your provider's console"
_OWNER: Final = "As the owner or a superuser"
_USE_TABLE: Final = ("{use} the table {table}", "grant {rights} on {table} to {role};")
_SENTENCE: Final = "The role {role} may not {right}. {by}: {statement}"


class _Refusal(NamedTuple):
    """A text of the server, and the statement that removes its cause; `by` is the role that can run it."""

    sqlstate: str
    pattern: str
    right: str
    statement: str
    by: str = _OWNER
    sentence: str = _SENTENCE
    name: str = ""
    """The object's, where the text does not have it."""


_CONNECTING: Final = (
    _Refusal("42501", f"permission denied for database {_NAME}", "connect to the database {name}",
             "grant connect on database {name} to {role};"),
    _Refusal("3D000", f"database {_ABSENT}", "use the database {name}: it does not exist",
             "create database {name} owner {role};", _SERVER_ADMIN),
    _Refusal("28000", f"role {_ABSENT}", "log in: it does not exist",
             "create role {role} login password '...';", _SERVER_ADMIN),
    _Refusal("28000", "is not permitted to log in", "log in", "alter role {role} login;", _SERVER_ADMIN),
)  # fmt: skip
_INDEX: Final = (
    "do $$ begin execute format('alter table %s owner to %I', "
    "(select indrelid::regclass from pg_index where indexrelid = '{name}'::regclass), '{role}'); end $$"
)
_NO_FILES: Final = (
    "The extension {name} has no files on the server, and CREATE EXTENSION needs them: install its package there, or "
    "choose a server that has it. pg_available_extensions lists what a server has"
)
_NOT_CREATED: Final = (
    "It belongs to the extension {name}. {by}: {statement} If the extension exists already, add its schema to the "
    "search_path of {role}: select extnamespace::regnamespace from pg_extension where extname = '{plain}';"
)
# What an extension is usually missed by; the server does not tell which extension a name belongs to.
_EXTENSIONS: Final = {
    "vector": r'type "(half|sparse)?vec(tor)?"|(method|class) "(hnsw|ivfflat|\w*vec\w*_ops)"',
    "citext": 'type "citext"',
    "hstore": r'type "hstore"|function (hstore|akeys|avals)\(',
    "ltree": 'type "(ltree|lquery|ltxtquery)"',
    "cube": r'type "cube"|function cube\(',
    "postgis": r'type "(geometry|geography|box[23]d|raster)"|function st_\w+\(',
    "pg_trgm": r'class "gi[ns]t?_trgm_ops"|function (word_|strict_word_)?similarity\(|function show_trgm\(',
    "btree_gin": 'type \\w+ has no default operator class for access method "gin"',
    "btree_gist": 'type \\w+ has no default operator class for access method "gist"',
    "unaccent": r'function unaccent\(|text search dictionary "unaccent"',
    "fuzzystrmatch": r"function (levenshtein|soundex|metaphone|dmetaphone)\w*\(",
    "uuid-ossp": r"function uuid_generate_v\d\w*\(",
    "pgcrypto": r"function (crypt|gen_salt|gen_random_bytes|digest|hmac|pgp_\w+)\(",
    "tablefunc": r"function (crosstab|connectby|normal_rand)\d?\(",
}
_WORKING: Final = (
    # Not the system's own tables: a statement that reads pg_authid is no reason to grant rights on it.
    _Refusal("42501", f'permission denied for (table|view|relation) (?!"?pg_){_NAME}', *_USE_TABLE),
    _Refusal("42501", f"permission denied for schema {_NAME}", "use the schema {name}{or_create}",
             "grant {usage} on schema {name} to {role};"),
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
    _Refusal("42501", "permission denied to create role", "create roles",
             "alter role {role} createrole;", _SERVER_ADMIN),
    _Refusal("42501", f"must be owner of index {_NAME}", "change the index {name}", _INDEX),
    _Refusal("42501", f"must be owner of (table|relation) {_NAME}", "change the table {name}",
             "alter table {name} owner to {role};"),
    _Refusal("42501", f"must be owner of (?P<kind>function|type|sequence|schema|view) {_NAME}",
             "change the {kind} {name}", "alter {kind} {name} owner to {role};"),
    _Refusal("3F000", "no schema has been selected to create in", "create objects in any schema of the search_path",
             "create schema if not exists {schema}; grant usage, create on schema {schema} to {role};"),
    _Refusal("3F000", f"schema {_ABSENT}", "use the schema {name}: it does not exist",
             "create schema {name} authorization {role};"),
    # The text and its SQLSTATE depend on the server's version.
    _Refusal("58P01", r'extension control file "[^"]*/(?P<name>[^/"]+)\.control"', "", "", sentence=_NO_FILES),
    _Refusal("58P01", 'extension "(?P<name>[^"]+)" is not available', "", "", sentence=_NO_FILES),
    _Refusal("0A000", 'extension "(?P<name>[^"]+)" is not available', "", "", sentence=_NO_FILES),
    *(_Refusal(sqlstate, sign, "", "create extension {name};", _SERVER_ADMIN, _NOT_CREATED, name)
      for name, sign in _EXTENSIONS.items() for sqlstate in ("42704", "42883")),
)  # fmt: skip
EXPLAINED: Final = frozenset(refusal.sqlstate for refusal in _WORKING)
"""The SQLSTATEs for which `remedy_of` may know something."""


class Remedy(NamedTuple):
    """A right that a role lacks, and the statement that grants it."""

    role: str
    right: str
    by: str
    statement: str

    def __str__(self) -> str:
        return _SENTENCE.format(**self._asdict())


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
    for refusal in _CONNECTING if connecting else _WORKING:
        found = re.search(refusal.pattern, text) if refusal.sqlstate == sqlstate else None
        if found:
            groups = found.groupdict()
            name = refusal.name or groups.get("name") or ""
            words = {
                "role": _quoted(role),
                "schema": _quoted(schema),
                "kind": groups.get("kind"),
                "plain": name,
                "name": _quoted(name),
                **_for_a_table(name, READER_RIGHTS if name == read_only else APPLICATION_RIGHTS, schema),
                "usage": "usage" if read_only else "usage, create",
                "or_create": "" if read_only else ", or create objects in it",
            }
            right, statement = refusal.right.format(**words), refusal.statement.format(**words)
            return refusal.sentence.format(**words, right=right, by=refusal.by, statement=statement)
    return None


def table_remedy(table: str, rights: Sequence[str], *, role: str, schema: str = "public") -> Remedy:
    """Return how `role` gets all `rights` on a table; `schema` is named only if it is not the usual one."""
    words = {**_for_a_table(table, rights, schema), "role": _quoted(role)}
    right, statement = (each.format(**words) for each in _USE_TABLE)
    return Remedy(words["role"], right, _OWNER, statement)


def schema_remedy(schema: str, *, role: str) -> Remedy:
    """Return how `role` gets to see the tables of a schema."""
    name = _quoted(schema)
    return Remedy(_quoted(role), f"use the schema {name}", _OWNER, f"grant usage on schema {name} to {_quoted(role)};")


def elsewhere_remedy(schema: str, *, role: str, database: str) -> str:
    """Return how `role` gets to see the tables of a schema that is not in its search_path."""
    name, who = _quoted(schema), _quoted(role)
    return (
        f"The schema {name} has such tables, but is not in the search_path of {who}. If they are this application's, "
        f"as a superuser: grant usage on schema {name} to {who}; alter role {who} in database {_quoted(database)} set "
        f"search_path = {name}, public; otherwise run: python -m app migrate"
    )


def _for_a_table(table: str, rights: Sequence[str], schema: str) -> dict[str, str]:
    return {
        "use": "read" if tuple(rights) == READER_RIGHTS else "read or write",
        "rights": ", ".join(rights),
        "table": _quoted(table) if schema == "public" else f"{_quoted(schema)}.{_quoted(table)}",
    }


def _quoted(name: str) -> str:
    """Return an identifier as written in SQL; what the server prints with a schema or arguments stays unchanged."""
    plain = re.fullmatch(r"[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)?(\(.*\))?", name) and name not in RESERVED_WORDS
    return name if plain else '"{}"'.format(name.replace('"', '""'))
