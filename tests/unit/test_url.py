"""Any URL that a person pastes is understood, or refused in words that do not show its password."""

import traceback
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.url import ConnectionTarget, parse_url

NEON = "postgresql://ada:pw@ep-cool-darkness-123456-pooler.c-2.eu-central-1.aws.neon.tech/app"
SECRET = "c4n4ry"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_scheme_in_use_is_understood(scheme: str) -> None:
    """Heroku's, libpq's and SQLAlchemy's."""
    target = parse_url(f"{scheme}://ada:pw@db.example.com:6432/app")
    assert (target.hosts, target.ports, target.user, target.password, target.database) == (
        ("db.example.com",),
        (6432,),
        "ada",
        "pw",
        "app",
    )


_ANY = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1)


@given(user=_ANY, password=_ANY, database=_ANY)
def test_encoded_names_come_back_as_they_were(user: str, password: str, database: str) -> None:
    """Whatever stands in a user, a password or a database, percent-encoded, is what the server gets."""
    target = parse_url(f"postgresql://{quote(user, '')}:{quote(password, '')}@host/{quote(database, '')}")
    assert (target.user, target.password, target.database) == (user, password, database)
    assert "password" not in repr(target)


@pytest.mark.parametrize(
    ("url", "hosts", "ports"),
    [
        ("postgresql://ada@[2001:db8::1]:5433/app", ("2001:db8::1",), (5433,)),
        ("postgresql://ada@[::1]/app", ("::1",), (5432,)),
        ("postgresql://ada@/app?host=/run/pg&port=5433", ("/run/pg",), (5433,)),
        ("postgresql://ada@%2Frun%2Fpg/app", ("/run/pg",), (5432,)),
        ("postgresql://ada@%2Frun%2Fpg:5433/app", ("/run/pg",), (5433,)),
        ("postgresql://ada@one:5433,two/app", ("one", "two"), (5433, 5432)),
        ("postgresql://ada@/app?host=one,two&port=5433,5434", ("one", "two"), (5433, 5434)),
        ("postgresql://ada@/app?host=one,two&port=5433", ("one", "two"), (5433, 5433)),
    ],
)
def test_every_kind_of_host_is_understood(url: str, hosts: tuple[str, ...], ports: tuple[int, ...]) -> None:
    """IPv6, sockets, and several hosts, in the host's place or as parameters."""
    target = parse_url(url)
    assert (target.hosts, target.ports) == (hosts, ports)
    assert target.is_socket == hosts[0].startswith("/")


def test_tls_is_required_on_tcp_and_not_on_sockets() -> None:
    """Encrypted unless somebody says otherwise; a socket has nothing to encrypt."""
    assert parse_url("postgresql://ada@host/app").tls.mode == "require"
    assert parse_url("postgresql://ada@/app?host=/run/pg").tls.mode == "disable"


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("name", ["sslmode", "ssl"])
def test_every_sslmode_is_taken(mode: str, name: str) -> None:
    """By libpq's name and by SQLAlchemy's; what is weaker than it looks is noted."""
    target = parse_url(f"postgresql://ada@host/app?{name}={mode}")
    assert target.tls.mode == mode
    assert bool(target.notes) == (mode in {"allow", "prefer"})


def test_the_url_of_neons_console_works_as_it_is() -> None:
    """Pooled, encrypted, and verified, since the driver has no channel binding."""
    target = parse_url(NEON + "?sslmode=require&channel_binding=require")
    assert target.pooled
    assert target.tls.mode == "verify-full"
    assert "channel_binding=require" in target.notes[0]
    assert target.direct().hosts == ("ep-cool-darkness-123456.c-2.eu-central-1.aws.neon.tech",)
    assert not target.direct().pooled


def test_neons_options_are_kept() -> None:
    """`endpoint` goes to the proxy as it is written."""
    target = parse_url("postgresql://ada:pw@host/app?options=endpoint%3Dep-cool-darkness-123456")
    assert target.server_settings == {"options": "endpoint=ep-cool-darkness-123456"}


@pytest.mark.parametrize(
    "query",
    ["options=-c%20statement_timeout%3D5s", "options=--statement-timeout%3D5s", "statement_timeout=5s"],
)
def test_settings_of_the_server_are_sent_where_neon_forwards_them(query: str) -> None:
    """However they are written, they end up in `options`: of other startup settings the proxy says nothing."""
    assert parse_url(f"postgresql://ada@host/app?{query}").server_settings == {"options": "-c statement_timeout=5s"}


def test_the_rest_of_the_console_is_understood() -> None:
    """Name, timeout, negotiation, certificates, session attributes."""
    target = parse_url(
        "postgresql://ada@host/app?application_name=web&connect_timeout=7&sslnegotiation=direct"
        "&sslrootcert=/ca.crt&sslcert=/me.crt&sslkey=/me.key&target_session_attrs=read-write"
    )
    assert target.server_settings == {"application_name": "web"}
    assert target.connect_timeout_seconds == 7
    assert target.tls.direct
    assert (target.tls.root_cert, target.tls.cert, target.tls.key) == ("/ca.crt", "/me.crt", "/me.key")
    assert target.target_session_attrs == "read-write"


@pytest.mark.parametrize(
    "pasted",
    [" {} ", "'{}'", '"{}"', "psql '{}'", "psql {}", "\n{}\n", 'psql "{}"'],
)
def test_what_is_pasted_with_it_is_taken_off(pasted: str) -> None:
    """Spaces, quotes and `psql`, as people copy them."""
    assert parse_url(pasted.format(NEON)).user == "ada"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("host/app", "not a URL"),
        (f"mysql://ada:{SECRET}@host/app", "mysql"),
        (f"postgresql+psycopg2://ada:{SECRET}@host/app", "postgresql+psycopg2"),
        (f"postgresql://ada:{SECRET}@host", "no database"),
        (f"postgresql://ada:{SECRET}@host/", "no database"),
        (f"postgresql://ada:{SECRET}@/app", "no host"),
        ("postgresql://host/app", "no user"),
        (f"postgresql://ada:{SECRET}@host:http/app", "port"),
        (f"postgresql://ada:{SECRET}@host:70000/app", "port"),
        (f"postgresql://ada:{SECRET}@2001:db8::1/app", "IPv6"),
        (f"postgresql://ada:{SECRET}@{SECRET}@host/app", "%40"),
        (f"postgresql://ada:{SECRET}/{SECRET}@host/app", "%2F"),
        (f"postgresql://ada:{SECRET}#{SECRET}@host/app", "%23"),
        (f"postgresql://ada:{SECRET}?{SECRET}@host/app", "%3F"),
        (f"postgresql://ada:{SECRET} {SECRET}@host/app", "space"),
        (f"postgresql://ada:{SECRET}@host/app?sslmode=always", "sslmode"),
        (f"postgresql://ada:{SECRET}@host/app?sslmode=require&ssl=disable", "sslmode"),
        (f"postgresql://ada:{SECRET}@host/app?sslmode=require&sslmode=disable", "twice"),
        (f"postgresql://ada:{SECRET}@host/app?channel_binding=maybe", "channel_binding"),
        (f"postgresql://ada:{SECRET}@host/app?channel_binding=require&sslmode=disable", "channel_binding"),
        (f"postgresql://ada:{SECRET}@host/app?sslnegotiation=direct&sslmode=disable", "sslnegotiation"),
        (f"postgresql://ada:{SECRET}@host/app?connect_timeout=soon", "connect_timeout"),
        (f"postgresql://ada:{SECRET}@host/app?target_session_attrs=fast", "target_session_attrs"),
        (f"postgresql://ada:{SECRET}@host/app?options=nonsense", "options"),
        (f"postgresql://ada:{SECRET}@host/app?options=search_path%3Dx", "-c search_path="),
        (f"postgresql://ada:{SECRET}@host/app?gssencmode=require", "gssencmode"),
        (f"postgresql://ada:{SECRET}@host/app?prepared_statement_cache_size=0", "prepared_statement_cache_size"),
    ],
)
def test_what_cannot_be_is_refused_in_words_without_the_password(url: str, words: str) -> None:
    """The error names the part and what to write; the password is in no text of it, nor in its causes."""
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    assert words in str(caught.value)
    assert not caught.value.retryable
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_no_repr_shows_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the target's nor the settings'."""
    url = f"postgresql://ada:{SECRET}@host/app"
    monkeypatch.setenv("DATABASE_URL", url)
    for value in (parse_url(url), DatabaseSettings(), DatabaseSettings().target()):
        assert SECRET not in f"{value!r} {value}"


def test_a_pooler_can_be_named_where_the_host_does_not_tell() -> None:
    """`DATABASE_POOLER=transaction`; its direct host is then DATABASE_DIRECT_URL's, or an error that says so."""
    settings = DatabaseSettings(url="postgresql://ada@bouncer:6432/app", pooler="transaction")
    assert settings.target().pooled
    with pytest.raises(ConfigurationError, match="DATABASE_DIRECT_URL"):
        settings.direct_target()
    direct = "postgresql://ada@server/app"
    named = DatabaseSettings(url="postgresql://ada@bouncer:6432/app", pooler="transaction", direct_url=direct)
    assert named.direct_target() == parse_url(direct)
    assert not DatabaseSettings(url=NEON, pooler="none").target().pooled


def test_settings_that_a_pooler_would_refuse_are_refused_by_us() -> None:
    """Neon's pooled host answers `options=-c` with 08P01: the reason is said before anything is sent."""
    with pytest.raises(ConfigurationError, match="SET LOCAL"):
        DatabaseSettings(url=NEON + "?options=-c%20statement_timeout%3D5s").target()
    assert isinstance(DatabaseSettings(url=NEON + "?options=endpoint%3Dep-1").target(), ConnectionTarget)
