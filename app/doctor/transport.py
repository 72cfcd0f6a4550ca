"""Check that the connection is encrypted, and that the certificate proves the server's identity."""

import ssl
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from app.db.target.development import on_this_machine
from app.db.target.tls import TlsSettings
from app.doctor.findings import Finding, error, note, ok, warning
from app.doctor.subject import Checks, Subject
from app.doctor.validity import validity_of

_RENEW_BEFORE: Final = timedelta(days=14)
_VERIFY: Final = "Write sslmode=verify-full; for a CA of your own also sslrootcert=/path/of/its/ca.crt."


def record_tls(tls: TlsSettings) -> list[ssl.SSLObject]:
    """Return a list to which every new connection with `tls` adds its side of the TLS session."""
    sessions: list[ssl.SSLObject] = []

    class Recorded(ssl.SSLObject):
        def __new__(cls) -> Self:
            session = super().__new__(cls)
            sessions.append(session)
            return session

    if context := tls.context():
        context.sslobject_class = Recorded
    return sessions


async def _encryption(subject: Subject) -> list[Finding]:
    check, tls = "tls.version", subject.tls
    if tls is not None:
        cipher = tls.cipher()
        return [ok(check, f"{tls.version()}, {cipher[0] if cipher else 'no cipher'}")]
    if subject.target.is_socket:
        return [ok(check, "none: a unix socket, which no other machine can read")]
    if on_this_machine(subject.target.hosts):
        return [
            note(check, "none: on this machine's loopback only", f"When the server moves to another host: {_VERIFY}")
        ]
    return [error(check, "not encrypted: every machine on the way can read everything", _VERIFY)]


async def _certificate(subject: Subject) -> list[Finding]:
    check, tls = "tls.certificate", subject.tls
    if tls is None:
        return []
    if tls.context.verify_mode is ssl.CERT_NONE:
        found = f"not verified (sslmode={subject.target.tls.mode}): a machine on the way can pose as the server"
        return [warning(check, found, _VERIFY)]
    if tls.context.check_hostname:
        return [ok(check, "verified, and it is for this host")]
    if subject.target.tls.root_cert is None:
        found = "the host is not verified: every server with a certificate of any public CA is accepted"
        return [error(check, found, "Write sslmode=verify-full, and connect by the name in the certificate.")]
    found = "its CA is verified, its host is not: every server with a certificate of that CA is accepted"
    return [note(check, found, "Write sslmode=verify-full if the certificate names the host you connect to.")]


async def _validity(subject: Subject) -> list[Finding]:
    check, tls = "tls.expiry", subject.tls
    shown = tls.getpeercert(binary_form=True) if tls is not None else None  # also if it is not verified
    if not shown:
        return []
    now, (since, until) = datetime.now(UTC), validity_of(shown)
    if now < since:
        found = f"the certificate is valid from {since:%Y-%m-%d} on, and the clock of this machine says {now:%Y-%m-%d}"
        return [error(check, found, "Set the clock, or have the server show a certificate that is valid.")]
    if now > until:
        return [error(check, f"the certificate has expired on {until:%Y-%m-%d}", "Renew it on the server.")]
    found = f"the certificate is valid until {until:%Y-%m-%d}"
    if until - now > _RENEW_BEFORE:
        return [ok(check, found)]
    return [warning(check, found, "Renew it on the server: from that day on no client that verifies it can connect.")]


CHECKS: Checks = {
    "tls.version": _encryption,
    "tls.certificate": _certificate,
    "tls.expiry": _validity,
}
