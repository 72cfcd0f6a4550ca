"""What a database URL says about TLS."""

from typing import Final

from app.db.errors import ConfigurationError
from app.db.target.parameters import Parameters
from app.db.target.tls import MODES, SYSTEM, TlsSettings

_MAY_BE_PLAIN: Final = ("disable", "allow", "prefer")


def tls_of(parameters: Parameters, *, sockets: bool) -> tuple[TlsSettings, tuple[str, ...]]:
    """Take TLS out of `parameters`; return it, and what was understood otherwise than it is written.

    Without ``sslmode`` TCP is ``require`` and a socket, which nobody can listen to, ``disable``.
    """
    asked = _asked_mode(parameters)
    binding = parameters.one_of("channel_binding", ("prefer", "disable", "require"))
    root_cert = parameters.take("sslrootcert") or None
    direct = parameters.one_of("sslnegotiation", ("postgres", "direct")) == "direct"
    cert, key = parameters.take("sslcert") or None, parameters.take("sslkey") or None
    if key and not cert:
        raise ConfigurationError("sslkey needs sslcert, the certificate that it belongs to")
    mode, notes = _effective_mode(asked, binding, root_cert, sockets=sockets)
    if direct and mode in _MAY_BE_PLAIN:
        raise ConfigurationError(f"sslnegotiation=direct needs TLS; write sslmode=require, not {mode}, and no socket")
    if mode == "disable" and (root_cert or cert):
        notes += ("sslrootcert, sslcert and sslkey count for nothing: the connection is not encrypted",)
    return TlsSettings(mode, root_cert, cert, key, direct=direct), notes


def _asked_mode(parameters: Parameters) -> str:
    """Return ``sslmode``, or the same as SQLAlchemy (``ssl=require``) or JDBC (``ssl=true``) writes it, or nothing."""
    alias = parameters.take("ssl")
    parameters.put("sslmode", "require" if alias == "true" else alias)
    mode = parameters.take("sslmode")
    if mode and mode not in MODES:
        raise ConfigurationError(f"sslmode must be one of {', '.join(MODES)}")
    return mode


def _effective_mode(asked: str, binding: str, root_cert: str | None, *, sockets: bool) -> tuple[str, tuple[str, ...]]:
    if binding == "require":
        if sockets or asked == "disable":
            raise ConfigurationError("channel_binding=require needs TLS; remove it, or sslmode=disable or the socket")
        return "verify-full", (
            "channel_binding=require: the driver has none; the certificate is verified instead (verify-full)",
        )
    if sockets:
        needless = asked not in ("", *_MAY_BE_PLAIN)
        return "disable", (f"sslmode={asked}: a unix socket is never encrypted",) if needless else ()
    if root_cert == SYSTEM and asked != "verify-full":
        if asked in _MAY_BE_PLAIN:  # libpq refuses it too: anybody has a certificate of a public CA
            raise ConfigurationError(f"sslrootcert=system needs sslmode=verify-full, not {asked}")
        return "verify-full", (f"sslmode={asked}: sslrootcert=system makes it verify-full",) if asked else ()
    if asked in ("allow", "prefer"):
        return asked, (f"sslmode={asked}: the connection may be unencrypted; write require or verify-full",)
    return asked or "require", ()
