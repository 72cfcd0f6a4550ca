"""Any URL that a person pastes is understood."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.target.url import parse_url

NEON = "postgresql://ada:pw@ep-cool-darkness-123456-pooler.c-2.eu-central-1.aws.neon.tech/app"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_scheme_in_use_is_understood(scheme: str) -> None:
    """The schemes are Heroku's, libpq's and SQLAlchemy's."""
    target = parse_url(f"{scheme}://ada:pw@db.example.com:6432/app")
    place = (target.hosts, target.ports, target.user, target.password, target.database)
    assert place == (("db.example.com",), (6432,), "ada", "pw", "app")
    assert str(target) == "ada@db.example.com:6432/app"


_ANY = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(user=_ANY, password=_ANY, database=_ANY)
def test_encoded_names_come_back_as_they_were(user: str, password: str, database: str) -> None:
    """The server gets the exact user, password and database that the URL percent-encodes."""
    target = parse_url(f"postgresql://{quote(user, '')}:{quote(password, '')}@host/{quote(database, '')}")
    assert (target.user, target.password, target.database) == (user, password, database)
    assert target == parse_url(
        f"postgresql://:{quote(password, '')}@/?user={quote(user)}&dbname={quote(database)}&host=host"
    )


@pytest.mark.parametrize(
    ("url", "hosts", "ports"),
    [
        ("postgresql://ada@[2001:db8::1]:5433/app", ("2001:db8::1",), (5433,)),
        ("postgresql://ada@[::1]/app", ("::1",), (5432,)),
        ("postgresql://ada@[fe80::1%25eth0]/app", ("fe80::1%eth0",), (5432,)),
        ("postgresql://ada@host:/app", ("host",), (5432,)),
        ("postgresql://ada@host/app?port=5433", ("host",), (5433,)),
        ("postgresql://ada@/app?host=/run/pg&port=5433", ("/run/pg",), (5433,)),
        ("postgresql:///app?host=/run/pg&user=ada", ("/run/pg",), (5432,)),
        ("postgresql://ada@%2Frun%2Fpg/app", ("/run/pg",), (5432,)),
        ("postgresql://ada@%2Frun%2Fpg:5433/app", ("/run/pg",), (5433,)),
        ("postgresql://ada@one:5433,two/app", ("one", "two"), (5433, 5432)),
        ("postgresql://ada@/app?host=one,two&port=5433,5434", ("one", "two"), (5433, 5434)),
        ("postgresql://ada@/app?host=one,two&port=5433", ("one", "two"), (5433, 5433)),
        ("postgresql://ada@/app?host=one:5433&host=two:5434", ("one", "two"), (5433, 5434)),
        ("postgresql://ada@/app?host=::1", ("::1",), (5432,)),
        ("postgresql://ada@/app?host=[::1]:5433", ("::1",), (5433,)),
        ("postgresql://ada@host/app?host=host", ("host",), (5432,)),
        ("postgresql://ada@host:5433/app?port=5433", ("host",), (5433,)),
    ],
)
def test_every_kind_of_host_is_understood(url: str, hosts: tuple[str, ...], ports: tuple[int, ...]) -> None:
    """IPv6, sockets and several hosts are read, in the host part or as parameters."""
    target = parse_url(url)
    assert (target.user, target.hosts, target.ports) == ("ada", hosts, ports)
    assert target.is_socket == hosts[0].startswith("/")


CLOUD_SQL = "/cloudsql/project:region:instance"


@pytest.mark.parametrize(
    ("place", "hosts", "ports"),
    [
        (f"/app?host={CLOUD_SQL}", (CLOUD_SQL,), (5432,)),
        (f"/app?host={quote(CLOUD_SQL, '')}", (CLOUD_SQL,), (5432,)),
        (f"/app?host={CLOUD_SQL}&port=5433", (CLOUD_SQL,), (5433,)),
        (f"/app?host={CLOUD_SQL}/.s.PGSQL.5433", (CLOUD_SQL,), (5433,)),
        (f"/app?unix_sock={CLOUD_SQL}/.s.PGSQL.5432", (CLOUD_SQL,), (5432,)),
        (f"{quote(CLOUD_SQL, '')}/app", (CLOUD_SQL,), (5432,)),
        (f"{quote(CLOUD_SQL, ':')}/app", (CLOUD_SQL,), (5432,)),
        (f"{quote(CLOUD_SQL, '')}:5433/app", (CLOUD_SQL,), (5433,)),
        (f"localhost/app?host={CLOUD_SQL}", (CLOUD_SQL,), (5432,)),
        (f"localhost:5433/app?host={CLOUD_SQL}", (CLOUD_SQL,), (5433,)),
        (f"127.0.0.1/app?host={CLOUD_SQL}", (CLOUD_SQL,), (5432,)),
        (f":5433/app?host={CLOUD_SQL}", (CLOUD_SQL,), (5433,)),
        (f"/app?host={CLOUD_SQL},/run/other", (CLOUD_SQL, "/run/other"), (5432, 5432)),
        (f"/app?host={CLOUD_SQL}&host=/run/other&port=5433,5434", (CLOUD_SQL, "/run/other"), (5433, 5434)),
        ("/app?host=/run/my%20sockets", ("/run/my sockets",), (5432,)),
        ("/app?host=/run/pg/", ("/run/pg/",), (5432,)),
        ("%2Frun%2Fmy%20sockets,%2Frun%2Fpg:5433/app", ("/run/my sockets", "/run/pg"), (5432, 5433)),
    ],
)
def test_every_form_of_a_sockets_path_is_understood(place: str, hosts: tuple[str, ...], ports: tuple[int, ...]) -> None:
    """Paths work as libpq, SQLAlchemy, Prisma and pg8000 write them, also next to a host that is only a placeholder."""
    target = parse_url(f"postgresql+asyncpg://ada:pw@{place}")
    assert (target.user, target.hosts, target.ports, target.database) == ("ada", hosts, ports, "app")
    assert target.is_socket
    assert target.tls.mode == "disable"
    assert not target.notes


def test_a_host_that_a_socket_displaces_is_noted() -> None:
    """The caller might have meant that host."""
    assert parse_url("postgresql://ada@db.example.com/app?host=/run/pg").notes == (
        "host=/run/pg: the socket is used, and not db.example.com",
    )


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


def test_an_ipv6_host_is_shown_in_brackets() -> None:
    """The brackets separate it from the port."""
    assert str(parse_url("postgresql://ada@[::1]:5433/app")) == "ada@[::1]:5433/app"


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
            "channel_binding=require: the driver has none",
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


def test_the_url_of_neons_console_works_as_it_is() -> None:
    """The target is pooled, encrypted and verified, since asyncpg has no channel binding."""
    target = parse_url(NEON + "?sslmode=require&channel_binding=require")
    assert target.pooled
    assert target.tls.mode == "verify-full"
    assert "channel_binding=require" in target.notes[0]
    assert target.direct().hosts == ("ep-cool-darkness-123456.c-2.eu-central-1.aws.neon.tech",)
    assert not target.direct().pooled
    assert target.direct().direct() == target.direct()


@pytest.mark.parametrize("option", ["endpoint%3Dep-1", "project%3Dep-1", "neon_endpoint_type:read_write"])
def test_neons_options_are_kept_where_the_host_does_not_say_the_same(option: str) -> None:
    """They go to the proxy unchanged."""
    target = parse_url(f"postgresql://ada:pw@host/app?options={option}")
    assert target.server_settings == {"options": option.replace("%3D", "=")}


@pytest.mark.parametrize("endpoint", ["ep-cool-darkness-123456", "ep-cool-darkness-123456-pooler"])
def test_an_endpoint_that_the_host_says_too_is_not_sent(endpoint: str) -> None:
    """Neon refuses both if they differ by `-pooler`; the host name, which TLS sends, is enough."""
    assert parse_url(NEON + f"?options=endpoint%3D{endpoint}") == parse_url(NEON)


def test_an_endpoint_can_be_pooled_where_the_host_is_not() -> None:
    """The direct target is then another endpoint on the same host."""
    target = parse_url("postgresql://ada@proxy/app?options=endpoint%3Dep-1-pooler&application_name=web")
    assert target.pooled
    assert target.direct().server_settings == {"options": "endpoint=ep-1", "application_name": "web"}


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


@pytest.mark.parametrize(
    "pasted",
    [
        " {} ",
        "'{}'",
        '"{}"',
        "psql '{}'",
        "psql {}",
        "\n{}\n",
        'psql "{}"',
        "\"psql '{}'\"",
        "DATABASE_URL={}",
        "export DATABASE_URL='{}'",
        "\ufeff{}",
        "\u201c{}\u201d",
    ],
)
def test_what_is_pasted_with_it_is_taken_off(pasted: str) -> None:
    """People copy spaces, quotes, `psql` and the variable's name along with it."""
    assert parse_url(pasted.format(NEON)) == parse_url(NEON)


@pytest.mark.parametrize("host", ["pg-pooler.internal", "PG-POOLER.Internal", "one,two-pooler.internal"])
def test_a_pooler_is_known_by_its_first_label(host: str) -> None:
    """Any spelling counts, but only in the first label."""
    assert parse_url(f"postgresql://ada@{host}/app").pooled
    assert not parse_url("postgresql://ada@pg.my-pooler.internal/app").pooled


def test_a_pooler_can_be_named_where_the_host_does_not_tell() -> None:
    """With `DATABASE_POOLER=transaction` the direct host is that of DATABASE_DIRECT_URL, which is then required."""
    settings = DatabaseSettings(url="postgresql://ada@bouncer:6432/app", pooler="transaction")
    assert settings.target().pooled
    with pytest.raises(ConfigurationError, match="DATABASE_DIRECT_URL"):
        settings.direct_target()
    direct = "postgresql://ada@server/app"
    named = DatabaseSettings(url="postgresql://ada@bouncer:6432/app", pooler="transaction", direct_url=direct)
    assert named.direct_target() == parse_url(direct)
    assert not DatabaseSettings(url=NEON, pooler="none").target().pooled


def test_settings_that_a_pooler_would_refuse_are_refused_by_us() -> None:
    """Neon's pooled host refuses `options=-c` with 08P01; the error gives the reason before anything is sent."""
    url = NEON + "?statement_timeout=5s"
    with pytest.raises(ConfigurationError, match="SET LOCAL"):
        DatabaseSettings(url=url).target()
    assert DatabaseSettings(url=url.replace("-pooler", "")).target().server_settings
    assert DatabaseSettings(url="postgresql://ada@proxy/app?options=endpoint%3Dep-1-pooler").target().pooled


@pytest.mark.parametrize(
    ("place", "direct"),
    [
        ("ep-a-pooler.eu.aws.neon.tech", "ep-a.eu.aws.neon.tech:5432"),
        ("aws-0-eu-central-1.pooler.supabase.com:6543", "aws-0-eu-central-1.pooler.supabase.com:5432"),
        ("db.abcdefgh.supabase.co:6543", "db.abcdefgh.supabase.co:5432"),
        ("server.postgres.database.azure.com:6432", "server.postgres.database.azure.com:5432"),
        ("p.abcdefgh.db.postgresbridge.com:5431", "p.abcdefgh.db.postgresbridge.com:5432"),
        ("pgbouncer.abcdefgh.flympg.net", "direct.abcdefgh.flympg.net:5432"),
        ("db-do-user-1-0.b.db.ondigitalocean.com:25061", None),
        ("aws-0-eu-central-1.pooler.supabase.com:5432", ""),
        ("db-do-user-1-0.b.db.ondigitalocean.com:25060", ""),
        ("direct.abcdefgh.flympg.net", ""),
        ("pgbouncer.example.com", ""),
        ("db.example.com:6543", ""),
    ],
)
def test_the_poolers_of_providers_are_known_by_host_and_port(place: str, direct: str | None) -> None:
    """The server behind each is known if the URL shows it; None means it does not, empty means no pooler."""
    target = parse_url(f"postgresql://ada@{place}/app")
    assert target.pooled == (direct != "")
    if direct is None:
        with pytest.raises(ConfigurationError, match="set DATABASE_DIRECT_URL"):
            target.direct()
    elif direct:
        assert str(target.direct()) == f"ada@{direct}/app"
        assert not target.direct().pooled
