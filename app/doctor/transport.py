"""Whether the connection is encrypted, and with whom."""

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.doctor.findings import Finding, error, note, ok, warning
from app.doctor.subject import Checks, Subject

_RENEW_BEFORE: Final = timedelta(days=14)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def _tls_of(driver: Any) -> Any:
    """Return the `ssl.SSLObject` of a connection; asyncpg has no public name for its transport."""
    return driver._transport.get_extra_info("ssl_object")  # noqa: SLF001 - see above


async def _encryption(subject: Subject) -> list[Finding]:
    check, tls = "tls.version", _tls_of(subject.driver)
    if tls is not None:
        return [ok(check, f"{tls.version()}, {tls.cipher()[0]}")]
    if subject.target.is_socket:
        return [ok(check, "none: a unix socket, which nobody else can listen to")]
    if all(host in _LOOPBACK for host in subject.target.hosts):
        return [note(check, "none: on this machine's loopback only", "Write sslmode=require once it is elsewhere.")]
    return [
        error(check, "not encrypted: the network between sees everything", "Write sslmode=verify-full into the URL.")
    ]


async def _certificate(subject: Subject) -> list[Finding]:
    check, tls = "tls.certificate", _tls_of(subject.driver)
    if tls is None:
        return []
    if tls.context.verify_mode is ssl.CERT_NONE:
        return [
            warning(
                check,
                f"not verified (sslmode={subject.target.tls.mode}): whoever sits between can pose as the server",
                "Write sslmode=verify-full; for a CA of your own also sslrootcert=/path/of/its/ca.crt.",
            )
        ]
    if not tls.context.check_hostname:
        found = "its CA is verified, its host is not: any server with a certificate of that CA would do"
        return [note(check, found, "Write sslmode=verify-full if the certificate names the host you connect to.")]
    return [ok(check, "verified, and it is for this host")]


async def _validity(subject: Subject) -> list[Finding]:
    check, tls = "tls.expiry", _tls_of(subject.driver)
    shown = tls.getpeercert() if tls is not None else None
    if not shown:  # the driver shows only what it has verified
        return []
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC)
    found = f"the certificate is good until {until:%Y-%m-%d}"
    if until - datetime.now(UTC) > _RENEW_BEFORE:
        return [ok(check, found)]
    return [warning(check, found, "Renew it on the server: from then on nobody can connect.")]


CHECKS: Checks = {
    "tls.version": _encryption,
    "tls.certificate": _certificate,
    "tls.expiry": _validity,
}
