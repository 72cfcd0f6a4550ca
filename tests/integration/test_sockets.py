"""Every form of a socket's path works, also with colons and spaces."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.embedded import EmbeddedPostgres


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a folder named as in Cloud SQL, with the socket of a server in it."""
    made = Path(tempfile.mkdtemp(dir="/tmp")) / "my project:region:instance"
    made.mkdir()
    with EmbeddedPostgres() as server:
        (host,) = DatabaseSettings(url=server.url("postgres")).target().hosts
        (socket,) = (path for path in Path(host).iterdir() if path.is_socket())
        (made / ".s.PGSQL.5433").symlink_to(socket)
        yield made
    shutil.rmtree(made.parent)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://postgres@/postgres?host={path}&port=5433",
        "postgresql://postgres@{encoded}:5433/postgres",
        "postgresql://postgres@localhost:5433/postgres?host={encoded}",
        "postgresql://postgres@/postgres?unix_sock={path}/.s.PGSQL.5433",
        "postgresql://postgres@/postgres?host=/nowhere,{path}&port=5433",
    ],
)
async def test_a_socket_is_reached(folder: Path, url: str) -> None:
    """Paths work as libpq, SQLAlchemy, Prisma and pg8000 write them; the second folder counts if the first has none."""
    path = str(folder).replace(" ", "%20")
    async with Database(DatabaseSettings(url=url.format(path=path, encoded=quote(str(folder), "")))) as db:
        assert (await db.execute(text("select inet_client_addr() is null"))).scalar_one()
