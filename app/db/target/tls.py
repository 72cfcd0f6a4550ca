"""TLS as each sslmode asks for it."""

import ssl
from functools import cached_property
from pathlib import Path
from typing import Final

from app.db.errors import ConfigurationError

MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SYSTEM: Final = "system"
VERIFYING: Final = ("verify-ca", "verify-full")


class TlsSettings:
    """How the connection is encrypted, and which CA it trusts."""

    def __init__(
        self,
        mode: str,
        root_cert: str | None = None,
        cert: str | None = None,
        key: str | None = None,
        *,
        direct: bool = False,
    ) -> None:
        self.mode: Final = mode
        self.root_cert: Final = root_cert
        self.cert: Final = cert
        self.key: Final = key
        self.direct: Final = direct
        """Start TLS without asking the server first: saves a round trip on PostgreSQL 17 and Neon."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TlsSettings) and self._given == other._given

    def __hash__(self) -> int:
        return hash(self._given)

    @property
    def _given(self) -> tuple[object, ...]:
        return self.mode, self.root_cert, self.cert, self.key, self.direct

    @property
    def verifies(self) -> bool:
        """Return whether the server's certificate is verified; as in libpq, a given CA is used in every mode."""
        return self.mode in VERIFYING or self.root_cert is not None

    def contexts(self) -> tuple[ssl.SSLContext | None, ...]:
        """Return the contexts to try in order; None is without TLS."""
        if self.mode == "allow":
            return None, self.context()
        return (self.context(), None) if self.mode == "prefer" else (self.context(),)

    def context(self) -> ssl.SSLContext | None:
        """Return the context to connect with, built once; None is without TLS. Raises `ConfigurationError`."""
        return None if self.mode == "disable" else self._context

    @cached_property
    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = self.mode == "verify-full"
        context.verify_mode = ssl.CERT_REQUIRED if self.verifies else ssl.CERT_NONE
        if self.direct:
            context.set_alpn_protocols(["postgresql"])
        if self.verifies:
            _trust(context, self.root_cert)
        if self.cert:
            _identify(context, self.cert, self.key)
        return context


def _trust(context: ssl.SSLContext, root_cert: str | None) -> None:
    if root_cert is None or root_cert == SYSTEM:
        context.load_default_certs()
        if not context.cert_store_stats()["x509_ca"] and not _has_certificate_folder():  # slim containers
            import certifi  # noqa: PLC0415 - few machines need it

            context.load_verify_locations(certifi.where())
        return
    try:
        context.load_verify_locations(Path(root_cert).expanduser())
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(
            f"sslrootcert={root_cert} cannot be used: {_reason(error)}; it must be a file of PEM certificates"
        ) from None


def _has_certificate_folder() -> bool:
    """Return whether OpenSSL has a folder of certificates: it loads them when needed and does not count them."""
    folder = ssl.get_default_verify_paths().capath
    return bool(folder) and any(Path(folder).iterdir())


def _identify(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    try:
        # The password keeps OpenSSL from asking for one at the terminal.
        context.load_cert_chain(Path(cert).expanduser(), Path(key).expanduser() if key else None, password="")
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(
            f"sslcert={cert} with sslkey={key} cannot be used: {_reason(error)}; they must be files in PEM, the key "
            "unencrypted"
        ) from None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
