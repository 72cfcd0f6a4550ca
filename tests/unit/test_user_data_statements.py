"""How rows of an older export are written."""

from sqlalchemy import BigInteger, Column, MetaData, String, Table, text

from app.db.engine.compiled import compiled
from app.userdata.statements import insertion
from app.userdata.tables import UserTable

TABLE = Table(
    "imported",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("user_id", String),
    Column("kind", String, server_default="it's"),
    Column("size", BigInteger, server_default="3"),
    Column("mark", String, server_default=text("md5('x')")),
)


def test_what_an_older_file_does_not_have_is_the_columns_default() -> None:
    """Text is a literal, as in the table's own definition; an expression is one."""
    sql = compiled(insertion(UserTable(TABLE))).sql
    for default in ("sent.kind, 'it''s')", "sent.size, '3')", "sent.mark, md5('x'))"):
        assert f"coalesce({default}" in sql
