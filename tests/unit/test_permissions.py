"""The statement that grants a missing right is one that the server can read."""

import pytest

from app.db.driver.permissions import EXPLAINED, remedy_of, schema_remedy, table_remedy


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("app", "app"),
        ("user", '"user"'),
        ("App", '"App"'),
        ("my-app", '"my-app"'),
        ('a"b', '"a""b"'),
        ("1st", '"1st"'),
        ("authorization", '"authorization"'),
    ],
)
def test_names_are_quoted_where_sql_needs_it(name: str, written: str) -> None:
    """A role may have a reserved word for a name."""
    assert f" to {written};" in str(schema_remedy("public", role=name))
    assert f"select on {written} to app;" in str(table_remedy(name, ("select",), role="app"))
    said = remedy_of("42501", "permission denied for schema public", role=name)
    assert said is not None
    assert said.endswith(f"grant usage, create on schema public to {written};")


def test_a_function_is_named_with_its_arguments() -> None:
    """The server prints them."""
    said = remedy_of("42501", "must be owner of function app.touch(integer, text)", role="app")
    assert said is not None
    assert said.endswith("alter function app.touch(integer, text) owner to app;")


def test_another_sqlstate_and_another_language_have_no_remedy() -> None:
    """The text is the server's; a value in a constraint's error must not be taken for it."""
    assert remedy_of("23505", "permission denied for table task", role="app") is None
    assert remedy_of("42501", "keine Berechtigung für Tabelle task", role="app") is None
    assert {"23505", "23514", "22001"}.isdisjoint(EXPLAINED)
