"""A database URL, understood: nothing in it is dropped in silence, and no error shows its password."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import parse_qsl, unquote

from app.db.errors import ConfigurationError
from app.db.tls import TlsSettings
from app.db.url_options import SETTINGS, server_options

_SHAPE: Final = "expected postgresql://user:password@host/database"
_SCHEMES: Final = ("postgresql", "postgres", "postgresql+asyncpg")
_DEFAULT_PORT: Final = 5432
_POOLER: Final = "-pooler"
_SESSION_ATTRIBUTES: Final = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")


@dataclass(frozen=True, slots=True)
class ConnectionTarget:
    """Where and how to connect; its repr has no password."""

    hosts: tuple[str, ...]
    ports: tuple[int, ...]
    user: str
    password: str | None = field(repr=False)
    database: str
    tls: TlsSettings
    target_session_attrs: str = "any"
    server_settings: Mapping[str, str] = field(default_factory=dict)
    connect_timeout_seconds: float | None = None
    pooled: bool = False
    notes: tuple[str, ...] = ()
    """What was understood otherwise than it is written, or is weaker than it could be: logged once."""

    def __str__(self) -> str:
        places = ",".join(f"{host}:{port}" for host, port in zip(self.hosts, self.ports, strict=True))
        return f"{self.user}@{places}/{self.database}"

    @property
    def is_socket(self) -> bool:
        """Whether the server is reached through a unix socket."""
        return all(host.startswith("/") for host in self.hosts)

    def direct(self) -> "ConnectionTarget":
        """Return the target behind the pooler; raises `ConfigurationError` where the host does not tell it."""
        if not self.pooled:
            return self
        hosts = tuple(_direct_host(host) for host in self.hosts)
        if hosts == self.hosts:
            raise ConfigurationError(
                f"{self} is a pooler, and its host does not tell where the server is: set DATABASE_DIRECT_URL"
            )
        return replace(self, hosts=hosts, pooled=False)


def parse_url(url: str) -> ConnectionTarget:
    """Return the target that `url` names; raises `ConfigurationError` that says what is wrong and what to write."""
    scheme, _, rest = _pasted(url).partition("://")
    _check_scheme(scheme, rest)
    place, _, query = rest.partition("?")
    _check_encoding(place, query)
    authority, _, database = place.partition("/")
    userinfo, _, hostlist = authority.rpartition("@")
    parameters = _parameters(query)
    hosts, ports = _hosts(hostlist or parameters.pop("host", ""), parameters.pop("port", ""))
    user, _, password = userinfo.partition(":")
    if not hosts or not user or not database:
        missing = "host" if not hosts else "user" if not user else "database"
        raise ConfigurationError(f"DATABASE_URL names no {missing}: {_SHAPE}")
    pooled = any(_direct_host(host) != host for host in hosts)
    tls, notes = TlsSettings.of(parameters, sockets=all(host.startswith("/") for host in hosts))
    target = ConnectionTarget(
        hosts=hosts,
        ports=ports,
        user=unquote(user),
        password=unquote(password) if password else None,
        database=unquote(database),
        tls=tls,
        target_session_attrs=_one_of(parameters, "target_session_attrs", _SESSION_ATTRIBUTES, "any"),
        connect_timeout_seconds=_seconds(parameters),
        server_settings=server_options(parameters),
        pooled=pooled,
        notes=notes,
    )
    if parameters:
        raise ConfigurationError(
            f"DATABASE_URL has a parameter that is not supported: {', '.join(sorted(parameters))}. "
            f"Remove it; the server's settings that may stand there are {', '.join(sorted(SETTINGS))}"
        )
    return target


def _pasted(url: str) -> str:
    """Return the URL in what was pasted: without spaces and quotes around it, without ``psql``."""
    text = re.sub(r"^psql\s+", "", url.strip())
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()
    if not text:
        raise ConfigurationError(f"DATABASE_URL is empty: {_SHAPE}")
    if re.search(r"\s", text):
        raise ConfigurationError("DATABASE_URL has a space or a line break in it: write %20 for one that belongs there")
    return text


def _check_scheme(scheme: str, rest: str) -> None:
    if not rest:
        raise ConfigurationError(f"DATABASE_URL is not a URL: {_SHAPE}")
    if scheme not in _SCHEMES:
        shown = scheme if re.fullmatch(r"[a-z0-9+]{1,30}", scheme) else "something else"
        raise ConfigurationError(f"DATABASE_URL begins with {shown}://, write postgresql:// instead")


def _check_encoding(place: str, query: str) -> None:
    """Refuse a password that ends early; what follows it would be taken for a host or shown as one."""
    signs = {"@": "%40", "#": "%23", "?": "%3F", "/": "%2F"}
    authority, _, path = place.partition("/")
    wrong = (
        "@" if authority.count("@") > 1 else
        "#" if "#" in place + query else
        "?" if "@" in query and "@" not in authority else
        "/" if "/" in path or "@" in path else
        None
    )  # fmt: skip
    if wrong:
        raise ConfigurationError(
            f"DATABASE_URL has {wrong} where it cannot be: in a user, password or database write {signs[wrong]} for it"
        )


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if parameters.setdefault(name, value) != value:
            raise ConfigurationError(f"DATABASE_URL has {name} twice with different values")
    return parameters


def _hosts(hostlist: str, portlist: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    hosts: list[str] = []
    ports: list[int] = []
    given = portlist.split(",") if portlist else []
    for place, text in enumerate(hostlist.split(",") if hostlist else []):
        found = re.fullmatch(r"(\[[0-9a-fA-F:.%]+\]|[^:\[\]]*)(?::([^:]*))?", unquote(text) if "%2" in text else text)
        if found is None or not found[1]:
            raise ConfigurationError("DATABASE_URL has a host that cannot be one: write an IPv6 address in [brackets]")
        hosts.append(found[1].strip("[]"))
        port = found[2] or (given[place] if place < len(given) else given[0] if len(given) == 1 else "")
        ports.append(_port(port))
    return tuple(hosts), tuple(ports)


def _port(text: str) -> int:
    if not text:
        return _DEFAULT_PORT
    if not text.isdecimal() or not 0 < int(text) <= 65535:  # noqa: PLR2004 - the largest there is
        # Not shown: an unencoded / in the password makes the port a part of it.
        raise ConfigurationError(
            "DATABASE_URL has a port that is no number from 1 to 65535; is a / in the password %2F?"
        )
    return int(text)


def _seconds(parameters: dict[str, str]) -> float | None:
    text = parameters.pop("connect_timeout", "")
    if text and not text.isdecimal():
        raise ConfigurationError("DATABASE_URL: connect_timeout must be a number of seconds")
    return float(text) or None if text else None


def _one_of(parameters: dict[str, str], name: str, values: tuple[str, ...], default: str) -> str:
    value = parameters.pop(name, default)
    if value not in values:
        raise ConfigurationError(f"DATABASE_URL: {name} must be one of {', '.join(values)}")
    return value


def _direct_host(host: str) -> str:
    label, dot, domain = host.partition(".")
    return label.removesuffix(_POOLER) + dot + domain
