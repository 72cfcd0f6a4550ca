"""The error explains what is wrong with a refused certificate, tested by handshakes without a network."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from app.db.target.certificates import explain_failure
from app.doctor.connection.validity import validity_of

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
OURS, OTHER = trustme.CA(), trustme.CA()


def _failure(leaf: trustme.LeafCert, *, name: str = "db.example.com", ca: trustme.CA = OURS) -> ssl.SSLError:
    """Return the error of a client that verifies everything."""
    client, server = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.configure_trust(client)
    leaf.configure_cert(server)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(back, there, server_hostname=name)
    answering = server.wrap_bio(there, back, server_side=True)
    with pytest.raises(ssl.SSLError) as failed:
        for _ in range(4):
            for side in (asking, answering):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
    return failed.value


def _certificate(*names: str, since: datetime = NOW - DAY, until: datetime = NOW + DAY) -> trustme.LeafCert:
    return OURS.issue_cert(*(names or ("db.example.com",)), not_before=since, not_after=until)


def test_a_certificate_of_tomorrow_speaks_of_the_clock() -> None:
    """A wrong clock on this machine is the likelier reason."""
    words = explain_failure(_failure(_certificate(since=NOW + DAY, until=NOW + 2 * DAY)))
    assert "it is not valid yet: this machine's clock says 20" in words
    assert "sslrootcert" not in words


def test_an_expired_certificate_is_to_be_renewed() -> None:
    """The error also says that the clock may be ahead."""
    words = explain_failure(_failure(_certificate(since=NOW - 2 * DAY, until=NOW - DAY)))
    assert "it has expired: renew it on the server (this machine's clock says 20" in words


@pytest.mark.parametrize(("name", "what"), [("other.example.com", "host"), ("192.0.2.1", "address")])
def test_another_name_is_never_answered_by_verifying_less(name: str, what: str) -> None:
    """With public CAs `verify-ca` accepts every server that has a certificate."""
    words = explain_failure(_failure(_certificate(), name=name))
    assert words.endswith(f"it was issued for another {what}: connect by the name in it")


def test_an_unknown_ca_of_ones_own_is_to_be_named() -> None:
    """The advice is for hosts of no known provider."""
    words = explain_failure(_failure(_certificate(), ca=OTHER), "db.example.com")
    assert "its CA is not trusted here: write sslrootcert=/path/to/ca.crt" in words


@pytest.mark.parametrize(
    "host",
    [
        "ep-a-1.eu-central-1.aws.neon.tech",
        "server.postgres.database.azure.com",
        "aws-0-eu-central-1.pooler.supabase.com",
        "db.abcdefgh.supabase.co",
        "database-1.abcdefgh.us-east-1.rds.amazonaws.com",
        "DB-do-user-1-0.b.db.ondigitalocean.com",
        "p.abcdefgh.db.postgresbridge.com",
        "roundhouse.proxy.rlwy.net",
    ],
)
def test_an_unknown_ca_on_a_providers_host_warns_of_interception_first(host: str) -> None:
    """Trusting the presented certificate would send the password to the intercepting machine."""
    words = explain_failure(_failure(_certificate(), ca=OTHER), host)
    assert "somebody may be intercepting the connection" in words
    assert words.index("intercepting") < words.index("sslrootcert")


def test_no_advice_weakens_the_verification() -> None:
    """The test covers every OpenSSL code, on different hosts."""
    for code in range(100):
        for host in ("", "a.neon.tech", "a.supabase.co"):
            error = ssl.SSLCertVerificationError(1, "certificate verify failed")
            error.verify_code, error.verify_message = code, "reason"
            words = explain_failure(error, host)
            assert not any(weaker in words for weaker in ("verify-ca", "require", "prefer", "allow", "disable")), words


@pytest.mark.parametrize(
    "until", [NOW + DAY, datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2051, 1, 1, tzinfo=UTC)]
)
def test_the_validity_is_read_without_verifying(until: datetime) -> None:
    """Both time formats of certificates are read."""
    leaf = _certificate(since=NOW - DAY, until=until)
    der = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
    assert validity_of(der) == (NOW - DAY, until)
