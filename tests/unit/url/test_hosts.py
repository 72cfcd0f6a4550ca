"""Any place that a URL can name is understood: hosts, ports, sockets, names that are percent-encoded."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.target.url import parse_url


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
        "host=/run/pg: the socket is used, not db.example.com",
    )


def test_an_ipv6_host_is_shown_in_brackets() -> None:
    """The brackets separate it from the port."""
    assert str(parse_url("postgresql://ada@[::1]:5433/app")) == "ada@[::1]:5433/app"
