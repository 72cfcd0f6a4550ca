"""The server's certificate: why it is refused."""

import ssl
from datetime import UTC, datetime
from typing import Final

# OpenSSL's codes, x509_vfy.h.
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_OTHER_NAMES: Final = (62, 64)
_UNKNOWN_AUTHORITY: Final = (2, 18, 19, 20, 21, 27, 28)

_PUBLIC_CA: Final = (".neon.tech", ".postgres.database.azure.com", ".tsdb.cloud.timescale.com")
_OWN_CA: Final = (
    ".supabase.co",
    ".supabase.com",
    ".rds.amazonaws.com",
    ".db.ondigitalocean.com",
    ".postgresbridge.com",
    ".aivencloud.com",
    ".sql.goog",
)
_OTHER_PROVIDERS: Final = (".compute-1.amazonaws.com", ".rlwy.net", ".render.com", ".flympg.net", ".psdb.cloud")
_INTERCEPTED: Final = (
    "its CA is not trusted here: somebody may be intercepting the connection, so find out first whether a "
    "proxy, a VPN or an attacker in this network does, for instance by connecting from another network"
)
_NAME_IT: Final = "write sslrootcert=/path/to/ca.crt"


def explain_failure(error: ssl.SSLError, host: str = "") -> str:
    """Return what a failed handshake with `host` means and what to do; the advice never weakens the verification."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS with the server failed ({error.reason or error})"
    reason = error.verify_message.rstrip(".")
    return f"the server's certificate is refused ({reason}); {_advice(error.verify_code, host)}"


def _advice(code: int, host: str) -> str:
    clock = f"this machine's clock says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    if code == _NOT_YET_VALID:
        return f"it is not valid yet: {clock}; correct it, or install a valid certificate on the server"
    if code == _EXPIRED:
        return f"it has expired: renew it on the server ({clock}; if that is wrong, correct it)"
    if code in _OTHER_NAMES:
        what = "host" if code == _OTHER_NAMES[0] else "address"
        return f"it was issued for another {what}: connect by the name in it"
    if code in _UNKNOWN_AUTHORITY:
        return _advice_on_authority(host)
    return "install another certificate on the server"


def has_public_ca(host: str) -> bool:
    """Return whether a host is of a provider whose certificates every system can verify."""
    return host.lower().endswith(_PUBLIC_CA)


def has_own_ca(host: str) -> bool:
    """Return whether a host is of a provider whose console offers its CA for download."""
    return host.lower().endswith(_OWN_CA)


def _advice_on_authority(host: str) -> str:
    if has_public_ca(host):
        return (
            f"{_INTERCEPTED}; the certificates of this provider are of a public CA, which sslrootcert=system and the "
            "package ca-certificates know"
        )
    if has_own_ca(host):
        return f"{_INTERCEPTED}; then download the CA from the provider's console and {_NAME_IT}"
    if host.lower().endswith(_OTHER_PROVIDERS):
        return f"{_INTERCEPTED}; then ask the provider for its CA and {_NAME_IT}"
    return f"its CA is not trusted here: {_NAME_IT}"
