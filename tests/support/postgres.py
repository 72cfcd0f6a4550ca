"""The embedded server as tests need it besides: from another wheel, restarted, crashed, reached over TCP."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from app.embedded import EmbeddedPostgres, EmbeddedPostgresError
from app.embedded.host import locked
from app.embedded.process import Postmaster
from app.embedded.server import StopMode


class Postgres(EmbeddedPostgres):
    """A server of the wheel `package`."""

    def __init__(self, data_folder: Path | None = None, *, package: str = EmbeddedPostgres.package, **how: Any) -> None:
        super().__init__(data_folder, **how)
        self.package = package

    def restart(self, *, mode: StopMode = "fast") -> None:
        """End the server if it runs ("immediate": as in a crash), and start it again on the same socket and port."""
        if self._guard is None:
            raise EmbeddedPostgresError("Only the process that started the embedded PostgreSQL can restart it.")
        with locked(self.data_folder / "lock"):
            self._end(mode)
            self._share_or_launch()

    def tcp_url(self, database: str = "postgres") -> str:
        """Return the libpq URL of a database, through TCP on the loopback address."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{quote(database, safe='')}"

    @property
    def socket_folder(self) -> Path:
        """The folder of the Unix socket."""
        assert self._address
        return self._address.folder

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        running = Postmaster.read(self.data_folder / "pgdata")
        assert running
        return running.pid
