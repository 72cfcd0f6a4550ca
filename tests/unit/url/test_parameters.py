"""Parameters are understood as other clients write them."""

import pytest

from app.db.errors import ConfigurationError
from app.db.target.url import parse_url


@pytest.mark.parametrize(
    ("query", "same_as"),
    [
        ("ssl=False", "sslmode=disable"),
        ("ssl=0", "sslmode=disable"),
        ("ssl=True", "sslmode=require"),
        ("ssl=no-verify", "sslmode=require"),
        ("sslmode=no-verify", "sslmode=require"),
        ("sslmode=Require", "sslmode=require"),
        ("sslmode=VERIFY_FULL", "sslmode=verify-full"),
        ("sslmode=require&ssl=true", "sslmode=require"),
        ("sslmode=verify-full&ssl=true", "sslmode=verify-full"),
        ("ssl=true&sslmode=verify-ca", "sslmode=verify-ca"),
        ("sslmode=require&sslaccept=strict", "sslmode=verify-full"),
        ("sslmode=require&sslaccept=accept_invalid_certs", "sslmode=require"),
        ("ssl=no", "sslmode=disable"),
        ("sslmode=required", "sslmode=require"),
        ("requiressl=1", "sslmode=require"),
        ("requiressl=0", "sslmode=prefer"),
        ("sslaccept=strict", "sslmode=verify-full"),
        ("sslaccept=accept_invalid_certs", "sslmode=require"),
        ("uselibpqcompat=true&sslmode=require", "sslmode=require"),
        ("client_encoding=utf8", ""),
        ("client_encoding=UTF-8", ""),
        ("charset=utf-8", ""),
        ("pgbouncer=false", ""),
        ("gssencmode=disable", ""),
        ("schema=sales", "options=-c%20search_path%3Dsales"),
        ("schema=My%20Sales", "options=-c%20search_path%3D%22My\\%20Sales%22"),
        ("currentSchema=a,b", "search_path=a,b"),
        ("schema_search_path=a,b", "search_path=a,b"),
        ("TimeZone=UTC", "timezone=UTC"),
        ("ApplicationName=web", "application_name=web"),
        ("fallback_application_name=web", "application_name=web"),
        ("application_name=web&fallback_application_name=other", "application_name=web"),
    ],
)
def test_parameters_of_other_clients_are_understood(query: str, same_as: str) -> None:
    """They are accepted, by any name and spelling, if they have the same meaning here."""
    assert parse_url(f"postgresql://ada:pw@host/app?{query}") == parse_url(f"postgresql://ada:pw@host/app?{same_as}")


def test_prismas_switch_names_a_pooler() -> None:
    """Supabase's console shows it as `pgbouncer=true`."""
    target = parse_url("postgresql://ada@host/app?pgbouncer=true")
    assert target.pooled
    with pytest.raises(ConfigurationError, match="DATABASE_DIRECT_URL"):
        target.direct()


def test_a_password_may_be_a_parameter() -> None:
    """A repeated parameter with the same value counts once, as in libpq."""
    target = parse_url("postgresql://ada@host/app?password=a%26b")
    assert target == parse_url("postgresql://ada:a%26b@host/app")
    assert target == parse_url("postgresql://ada:a%26b@host/app?password=a%26b&user=ada")


def test_supabases_routing_word_is_sent() -> None:
    """`options=reference=...` names the project to its pooler, and is not a setting of the server."""
    target = parse_url("postgresql://ada@host/app?options=reference%3Dabc")
    assert target.server_settings == {"options": "reference=abc"}
    assert not target.pooled


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("name", ["sslmode", "ssl"])
def test_every_sslmode_is_taken(mode: str, name: str) -> None:
    """It works by libpq's name and by SQLAlchemy's; a mode that is weaker than it looks gets a note."""
    target = parse_url(f"postgresql://ada@host/app?{name}={mode}")
    assert target.tls.mode == mode
    assert bool(target.notes) == (mode in {"allow", "prefer"})


@pytest.mark.parametrize(
    ("query", "mode", "note"),
    [
        ("host=tcp", "require", ""),
        ("host=/run/pg", "disable", ""),
        ("host=/run/pg&sslmode=prefer", "disable", ""),
        ("host=/run/pg&sslmode=require", "disable", "never encrypted"),
        ("host=tcp&ssl=true", "require", ""),
        ("host=tcp&channel_binding=prefer", "require", ""),
        ("host=tcp&sslmode=verify-ca&channel_binding=disable", "verify-ca", ""),
        (
            "host=tcp&sslmode=prefer&channel_binding=require",
            "verify-full",
            "channel_binding=require: the driver cannot do it",
        ),
        ("host=tcp&sslrootcert=system", "verify-full", ""),
        ("host=tcp&sslmode=require&sslrootcert=system", "verify-full", "sslrootcert=system makes it verify-full"),
        ("host=tcp&sslmode=disable&sslrootcert=/ca.crt", "disable", "are not used"),
    ],
)
def test_tls_is_what_libpq_would_make_of_it_or_more(query: str, mode: str, note: str) -> None:
    """The default is encrypted; only a parameter that means something else here gets a note."""
    target = parse_url(f"postgresql://ada@/app?{query}")
    assert target.tls.mode == mode
    assert (note in target.notes[0]) if note else not target.notes


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("options=-c%20statement_timeout%3D5s", "-c statement_timeout=5s"),
        ("options=-cstatement_timeout%3D5s", "-c statement_timeout=5s"),
        ("options=--statement-timeout%3D5s", "-c statement_timeout=5s"),
        ("statement_timeout=5s", "-c statement_timeout=5s"),
        ("options=-c%20lock_timeout%3D1s%20-c%20TimeZone%3DUTC", "-c lock_timeout=1s -c TimeZone=UTC"),
        (r"options=-c%20search_path%3D%22A%22,\%20b", r'-c search_path="A",\ b'),
        ("options=-c%20search_path%3D", "-c search_path="),
        ("search_path=a,%20b", r"-c search_path=a,\ b"),
        ("idle_in_transaction_session_timeout=1min", "-c idle_in_transaction_session_timeout=1min"),
    ],
)
def test_settings_of_the_server_are_sent_where_neon_forwards_them(query: str, options: str) -> None:
    """All forms are sent in `options`, since the proxy does not forward other startup settings."""
    assert parse_url(f"postgresql://ada@host/app?{query}").server_settings == {"options": options}


def test_the_rest_of_the_console_is_understood() -> None:
    """The parameters are name, timeout, negotiation, certificates and session attributes."""
    target = parse_url(
        "postgresql://ada@host/app?application_name=a+b%20c&connect_timeout=7&sslnegotiation=direct"
        "&sslrootcert=/ca.crt&sslcert=/me.crt&sslkey=/me.key&target_session_attrs=read-write"
    )
    assert target.server_settings == {"application_name": "a+b c"}
    assert target.connect_timeout_seconds == 7
    assert target.tls.direct
    assert (target.tls.root_cert, target.tls.cert, target.tls.key) == ("/ca.crt", "/me.crt", "/me.key")
    assert target.target_session_attrs == "read-write"
