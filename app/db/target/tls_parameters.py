"""The parameters of a URL that concern TLS."""

from typing import Final

from app.db.errors import ConfigurationError
from app.db.target.parameters import Parameters
from app.db.target.tls import MODES, SYSTEM, VERIFYING, TlsSettings

_MAY_BE_PLAIN: Final = ("disable", "allow", "prefer")
_UNVERIFIED: Final = "require, unverified"
_OTHER_NAMES: Final = {
    "requiressl": {"1": "require", "0": "prefer"},  # libpq before 2003
    "sslaccept": {"strict": "verify-full", "accept_invalid_certs": _UNVERIFIED},  # Prisma
}
_OTHER_SPELLINGS: Final = {
    **dict.fromkeys(("true", "1", "on", "yes", "required"), "require"),
    **dict.fromkeys(("false", "0", "off", "no"), "disable"),
    "no-verify": _UNVERIFIED,  # node-postgres
    "verify-identity": "verify-full",
}


def tls_of(parameters: Parameters, *, sockets: bool) -> tuple[TlsSettings, tuple[str, ...]]:
    """Take TLS out of `parameters`; return it, and notes on what means something else here than it says.

    Without ``sslmode``, TCP is ``require``; a socket, which no other machine can read, is ``disable``.
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
        notes += ("sslrootcert, sslcert and sslkey are not used: the connection is not encrypted",)
    return TlsSettings(mode, root_cert, cert, key, direct=direct), notes


def _asked_mode(parameters: Parameters) -> str:
    """Return ``sslmode`` in any client's name and spelling, empty if there is none.

    JDBC and Prisma write two of them: one that says that there is TLS, and one that says how it is verified.
    """
    said: set[str] = set()
    for name, meanings in _OTHER_NAMES.items():
        if value := parameters.take(name).lower():
            if value not in meanings:
                raise ConfigurationError(f"{name} must be one of {', '.join(meanings)}; or write sslmode")
            said.add(meanings[value])
    for name in ("sslmode", "ssl"):
        modes = {_mode(value) for value in parameters.take_all(name)}
        if len(modes) > 1:
            raise ConfigurationError(f"it has {name} twice with different values")
        said |= modes
    if said & set(VERIFYING):
        said.discard("require")
    if len(said) > 1 and said != {_UNVERIFIED, "require"}:
        raise ConfigurationError("it has sslmode twice with different values")
    return "require" if _UNVERIFIED in said else next(iter(said), "")


def _mode(value: str) -> str:
    spelled = value.lower().replace("_", "-")
    mode = _OTHER_SPELLINGS.get(spelled, spelled)
    if mode not in (*MODES, _UNVERIFIED):
        raise ConfigurationError(f"sslmode must be one of {', '.join(MODES)}")
    return mode


def _effective_mode(asked: str, binding: str, root_cert: str | None, *, sockets: bool) -> tuple[str, tuple[str, ...]]:
    if binding == "require":
        if sockets or asked == "disable":
            raise ConfigurationError("channel_binding=require needs TLS; remove it, or sslmode=disable or the socket")
        return "verify-full", (
            "channel_binding=require: the driver cannot do it; the certificate is verified instead (verify-full)",
        )
    if sockets:
        needless = asked not in ("", *_MAY_BE_PLAIN)
        return "disable", (f"sslmode={asked}: a unix socket is never encrypted",) if needless else ()
    if root_cert == SYSTEM and asked != "verify-full":
        if asked in _MAY_BE_PLAIN:  # as in libpq: any server can have a certificate of a public CA
            raise ConfigurationError(f"sslrootcert=system needs sslmode=verify-full, not {asked}")
        return "verify-full", (f"sslmode={asked}: sslrootcert=system makes it verify-full",) if asked else ()
    if asked in ("allow", "prefer"):
        return asked, (f"sslmode={asked}: the connection may be unencrypted; write require or verify-full",)
    return asked or "require", ()
