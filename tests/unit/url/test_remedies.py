"""What the refusal of a URL says to write is accepted when it is written."""

import re
from contextlib import suppress
from urllib.parse import quote

import pytest

from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.target.elsewhere import known_elsewhere
from app.db.target.url import parse_url
from tests.support.canary import SECRET

PLACE = f"postgresql://ada:{SECRET}@host/app"

LIBPQ = """host hostaddr port dbname user password passfile require_auth channel_binding connect_timeout client_encoding
options application_name fallback_application_name keepalives keepalives_idle keepalives_interval keepalives_count
tcp_user_timeout replication gssencmode sslmode requiressl sslnegotiation sslcompression sslcert sslkey sslkeylogfile
sslpassword sslcertmode sslrootcert sslcrl sslcrldir sslsni requirepeer ssl_min_protocol_version
ssl_max_protocol_version min_protocol_version max_protocol_version krbsrvname gssdelegation gsslib service servicefile
target_session_attrs load_balance_hosts scram_client_key scram_server_key oauth_issuer oauth_client_id
oauth_client_secret oauth_scope"""


@pytest.mark.parametrize("name", [*LIBPQ.split(), *known_elsewhere()])
def test_every_parameter_of_libpq_is_understood_or_has_an_advice_of_its_own(name: str) -> None:
    """It never gets the advice for a setting of the server."""
    with suppress(ConfigurationError):
        parse_url(f"postgresql://ada:{SECRET}@host/app?{name}=x")
        return
    with pytest.raises(ConfigurationError) as caught:
        parse_url(f"postgresql://ada:{SECRET}@host/app?{name}=x")
    assert "a setting of the server is written" not in str(caught.value)


@pytest.mark.parametrize("advice", sorted(set(known_elsewhere().values())))
def test_what_an_advice_names_can_be_written(advice: str) -> None:
    """Each setting in it exists and accepts the value shown; each parameter in it is understood."""
    for name, value in re.findall(r"\bDATABASE_([A-Z_]+)(?:=(\w+))?", advice):
        assert name.lower() in DatabaseSettings.model_fields
        if value:
            DatabaseSettings(**{"url": PLACE, name.lower(): value})
    for query in re.findall(r"[a-z_]+=[\w%-]+", re.sub(r"DATABASE_\S+", "", advice)):
        parse_url(f"{PLACE}?{query}")


REMEDIES = [
    ("postgresql://u:p@host", "/database", "postgresql://u:p@host/database"),
    ("mysql://u:p@host/d", "postgresql://user:password@host/database", "postgresql://user:password@host/database"),
    ("postgresql://u:a/b@host/d", "%2F", "postgresql://u:a%2Fb@host/d"),
    ("postgresql://u:a@b@host/d", "%40", "postgresql://u:a%40b@host/d"),
    ("postgresql://u:a#b@host/d", "%23", "postgresql://u:a%23b@host/d"),
    ("postgresql://u:a?b@host/d", "%3F", "postgresql://u:a%3Fb@host/d"),
    ("postgresql://u:100%@host/d", "%25", "postgresql://u:100%25@host/d"),
    ("postgresql://u:a b@host/d", "%20", "postgresql://u:a%20b@host/d"),
    ("postgresql://u:p@host/d'", "%27", "postgresql://u:p@host/d%27"),
    ("postgresql://u:p@host/d;", "%3B", "postgresql://u:p@host/d%3B"),
    ("postgresql://u:p@host/d/", "%2F", "postgresql://u:p@host/d%2F"),
    ("postgresql://u:p@host/d&sslmode=require", "? before the first", "postgresql://u:p@host/d?sslmode=require"),
    ("postgresql://u:p@host/d??sslmode=require", "two ?", "postgresql://u:p@host/d?sslmode=require"),
    ("postgresql://u:p@host/d?sslmode=require;port=1", "write &", "postgresql://u:p@host/d?sslmode=require&port=1"),
    ("postgresql://u:p@[/run/pg]/d", "?host=/folder", "postgresql://u:p@/d?host=/run/pg"),
    ("postgresql://u:p@host:PORT/d", "the port is not a number", "postgresql://u:p@host:5432/d"),
    ("postgresql://u:p@host/d?work_mem=1MB", "options=-c%20", "postgresql://u:p@host/d?options=-c%20work_mem%3D1MB"),
    ("postgresql://u:p@host/d?username=u", "before the host", "postgresql://u:p@host/d"),
    ("postgresql://u:p@host/d?unix_socket=/run/pg", "host=/folder", "postgresql://u:p@/d?host=/run/pg"),
    ("postgresql://u@host/d?password=a&b", "%26", "postgresql://u@host/d?password=a%26b"),
    ("postgresql://u:p@::1/d", "[brackets]", "postgresql://u:p@[::1]/d"),
    ("postgresql://u:p@/d", "?host=/folder", "postgresql://u:p@/d?host=/folder"),
    ("postgresql://u:p@/cloudsql/p:r:i/d", "?host=/folder", "postgresql://u:p@/d?host=/cloudsql/p:r:i"),
    ("postgresql://u:p@host/d?options=a%3Db", "-c a=", "postgresql://u:p@host/d?options=-c%20a%3Db"),
    ("postgresql://u:p@host/d?a=b", "options=-c%20name%3Dvalue", "postgresql://u:p@host/d?options=-c%20a%3Db"),
    (
        "postgresql://u:p@host/d?sslmode=require&amp;connect_timeout=1",
        "write & instead of &amp;",
        "postgresql://u:p@host/d?sslmode=require&connect_timeout=1",
    ),
    (
        "postgresql://u:p@host/d?sslrootcert=system&sslmode=prefer",
        "sslmode=verify-full",
        "postgresql://u:p@host/d?sslrootcert=system&sslmode=verify-full",
    ),
    (
        "postgresql://u:p@host/d?sslnegotiation=direct&sslmode=prefer",
        "sslmode=require",
        "postgresql://u:p@host/d?sslnegotiation=direct&sslmode=require",
    ),
]


@pytest.mark.parametrize(("wrong", "advice", "right"), REMEDIES)
def test_a_remedy_works_when_it_is_typed(wrong: str, advice: str, right: str) -> None:
    """The right URL has what the sentence says to write, and is understood."""
    with pytest.raises(ConfigurationError, match=re.escape(advice)):
        parse_url(wrong)
    parse_url(right)


@pytest.mark.parametrize("password", ["${A}", "$PW", "<a>", "[a]", "%A%", "{{a}}", "#{a}", "$(A)"])
def test_what_looks_like_a_placeholder_is_literal_if_it_is_encoded(password: str) -> None:
    """A password may be anything."""
    assert parse_url(f"postgresql://u:{quote(password, '')}@host/d").password == password
