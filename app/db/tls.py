"""TLS: what each sslmode asks of the server, and what is said when it is not so."""

import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import certifi

from app.db.errors import ConfigurationError

_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_VERIFYING: Final = ("verify-ca", "verify-full")
_SYSTEM: Final = "system"


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How the connection is encrypted and whom it trusts."""

    mode: str
    root_cert: str | None = None
    cert: str | None = None
    key: str | None = None
    direct: bool = False
    """Whether TLS begins at once, without asking the server first: PostgreSQL 17 and Neon save a round trip."""

    @classmethod
    def of(cls, parameters: dict[str, str], *, sockets: bool) -> "tuple[TlsSettings, tuple[str, ...]]":
        """Take TLS out of a URL's parameters; return it, and what was understood otherwise than it is written."""
        given = parameters.pop("sslmode", None)
        mode = parameters.pop("ssl", given) or ("disable" if sockets else "require")
        if mode not in _MODES or (given and given != mode):
            raise ConfigurationError(f"DATABASE_URL: sslmode must be one of {', '.join(_MODES)}, and ssl the same")
        binding = parameters.pop("channel_binding", "prefer")
        if binding not in ("disable", "prefer", "require"):
            raise ConfigurationError("DATABASE_URL: channel_binding must be disable, prefer or require")
        if binding == "require" and mode == "disable":
            raise ConfigurationError("DATABASE_URL: channel_binding=require needs TLS, and sslmode=disable forbids it")
        root_cert = parameters.pop("sslrootcert", None) or None
        notes: list[str] = []
        if binding == "require" and mode != "verify-full":
            mode = "verify-full"
            notes.append(
                "channel_binding=require: the driver has none; the certificate is verified instead (verify-full)"
            )
        if root_cert == _SYSTEM and mode != "verify-full":  # libpq allows nothing weaker with the system's store
            mode = "verify-full"
            notes.append("sslrootcert=system: the certificate is verified (verify-full)")
        if mode in ("allow", "prefer"):
            notes.append(f"sslmode={mode}: the connection may be unencrypted; write require or verify-full")
        negotiation = parameters.pop("sslnegotiation", "postgres")
        if negotiation not in ("postgres", "direct") or (negotiation == "direct" and mode in _MODES[:3]):
            raise ConfigurationError(
                "DATABASE_URL: sslnegotiation must be postgres, or direct with sslmode=require or more"
            )
        cert, key = parameters.pop("sslcert", None) or None, parameters.pop("sslkey", None) or None
        return cls(mode, root_cert, cert, key, direct=negotiation == "direct"), tuple(notes)

    @property
    def verifies(self) -> bool:
        """Whether the server's certificate is checked; libpq checks it with `require` too, if a CA is given."""
        return self.mode in _VERIFYING or self.root_cert is not None

    def context(self) -> ssl.SSLContext | None:
        """Return what to connect with, made once; None is without TLS. Raises `ConfigurationError`."""
        return None if self.mode == "disable" else _context(self)


@cache
def _context(tls: TlsSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = tls.mode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if tls.verifies else ssl.CERT_NONE
    if tls.direct:
        context.set_alpn_protocols(["postgresql"])
    if tls.verifies:
        _trust(context, tls.root_cert)
    if tls.cert:
        _identify(context, tls.cert, tls.key)
    return context


def _trust(context: ssl.SSLContext, root_cert: str | None) -> None:
    if root_cert is None or root_cert == _SYSTEM:
        context.load_default_certs()
        if not context.cert_store_stats()["x509_ca"]:  # slim containers have no store
            context.load_verify_locations(certifi.where())
        return
    try:
        context.load_verify_locations(Path(root_cert).expanduser())
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"DATABASE_URL: sslrootcert={root_cert} cannot be used: {error}") from None


def _identify(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    try:
        context.load_cert_chain(Path(cert).expanduser(), Path(key).expanduser() if key else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"DATABASE_URL: sslcert={cert} and sslkey cannot be used: {error}") from None


def explain_failure(error: ssl.SSLError) -> str:
    """Return what a failed handshake means and what to do about it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".")
        advice = {
            10: "it has expired: renew it on the server",
            62: "it is for another host: connect by the name in it, or write sslmode=verify-ca",
            64: "it is for another address: connect by the name in it, or write sslmode=verify-ca",
        }.get(error.verify_code, "its CA is not trusted here: write sslrootcert=/path/of/its/ca.crt")
        return f"the server's certificate is refused ({reason}); {advice}"
    return f"TLS with the server failed ({error.reason or error})"
