"""Check that the connection is encrypted, and that the certificate proves the server's identity."""

import ssl
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from app.db.target.development import on_this_machine
from app.db.target.tls import TlsSettings
from app.doctor.connection.validity import validity_of
from app.doctor.findings import Finding, error, note, ok, warning
from app.doctor.subject import Checks, Subject

_RENEW_BEFORE: Final = timedelta(days=14)
_VERIFY: Final = "Write sslmode=verify-full into the URL; for a private CA also sslrootcert=/path/to/ca.crt."


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
        return [ok(check, "none: a Unix socket, which other machines cannot read")]
    if on_this_machine(subject.target.hosts):
        return [
            note(check, "none: on this machine's loopback only", f"Before the server moves to another host: {_VERIFY}")
        ]
    return [error(check, "not encrypted: any machine on the path can read everything", _VERIFY)]


async def _certificate(subject: Subject) -> list[Finding]:
    check, tls = "tls.certificate", subject.tls
    if tls is None:
        return []
    if tls.context.verify_mode is ssl.CERT_NONE:
        found = f"not verified (sslmode={subject.target.tls.mode}): a machine on the path can impersonate the server"
        return [warning(check, found, _VERIFY)]
    if tls.context.check_hostname:
        return [ok(check, "verified, and valid for this host")]
    if subject.target.tls.root_cert is None:
        found = "the host name is not verified: any server with a certificate from any public CA is accepted"
        return [error(check, found, "Write sslmode=verify-full, and connect by the name in the certificate.")]
    found = "the CA is verified, the host name is not: any server with a certificate from that CA is accepted"
    return [note(check, found, "Write sslmode=verify-full if the certificate names the host you connect to.")]


async def _validity(subject: Subject) -> list[Finding]:
    check, tls = "tls.expiry", subject.tls
    shown = tls.getpeercert(binary_form=True) if tls is not None else None  # also if it is not verified
    if not shown:
        return []
    now, (since, until) = datetime.now(UTC), validity_of(shown)
    if now < since:
        found = f"the certificate is valid from {since:%Y-%m-%d}, but this machine's clock says {now:%Y-%m-%d}"
        return [error(check, found, "Set the clock, or install a valid certificate on the server.")]
    if now > until:
        return [error(check, f"the certificate expired on {until:%Y-%m-%d}", "Renew it on the server.")]
    found = f"the certificate is valid until {until:%Y-%m-%d}"
    if until - now > _RENEW_BEFORE:
        return [ok(check, found)]
    return [warning(check, found, "Renew it on the server: after that day clients that verify it cannot connect.")]


CHECKS: Checks = {
    "tls.version": _encryption,
    "tls.certificate": _certificate,
    "tls.expiry": _validity,
}
