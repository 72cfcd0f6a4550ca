"""A database URL, understood: nothing in it is dropped in silence, and no error shows its password."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from app.db.errors import ConfigurationError
from app.db.target.development import refuse_development_password
from app.db.target.hosts import hosts_and_ports
from app.db.target.options import endpoint_of, server_options, with_endpoint
from app.db.target.parameters import Parameters, decoded
from app.db.target.tls import TlsSettings
from app.db.target.tls_parameters import tls_of

SHAPE: Final = "postgresql://user:password@host/database"
_SCHEMES: Final = ("postgresql", "postgres", "postgresql+asyncpg")
# What may be shown of a wrong scheme: anything else before :// may be a piece of a password.
_OTHER_SCHEMES: Final = re.compile(
    r"(jdbc:)?(postgres|postgresql|mysql|mariadb|sqlite|mssql|oracle|cockroachdb|mongodb|redis|https?)(\+[a-z0-9_]+)?"
)
_QUOTES: Final = {"'": "'", '"': '"', "\u2018": "\u2019", "\u201c": "\u201d"}  # the curly ones come from chats
_INVISIBLE: Final = "\ufeff\u200b"  # a byte order mark, a space without width: they come along when one copies
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
        return self.place(self.hosts, self.ports)

    def place(self, hosts: tuple[str, ...], ports: tuple[int, ...]) -> str:
        """Return in words what is connected to, at all of its hosts or at some."""
        places = (
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in zip(hosts, ports, strict=True)
        )
        return f"{self.user}@{','.join(places)}/{self.database}"

    @property
    def is_socket(self) -> bool:
        """Whether the server is reached through a unix socket."""
        return all(host.startswith("/") for host in self.hosts)

    def direct(self) -> "ConnectionTarget":
        """Return the target behind the pooler; raises `ConfigurationError` where the host does not tell it."""
        if not self.pooled:
            return self
        hosts = tuple(_direct_host(host) for host in self.hosts)
        endpoint = endpoint_of(self.server_settings)
        if hosts == self.hosts and not endpoint.endswith(_POOLER):
            raise ConfigurationError(
                f"{self} is a pooler, and its host does not tell where the server is: set DATABASE_DIRECT_URL"
            )
        settings = with_endpoint(self.server_settings, endpoint.removesuffix(_POOLER))
        return replace(self, hosts=hosts, server_settings=settings, pooled=False)


def parse_url(url: str, *, variable: str = "DATABASE_URL") -> ConnectionTarget:
    """Return the target that `url` names; raises `ConfigurationError` that says what is wrong and what to write.

    As in libpq, but for three things: the user is never the operating system's, the database never the user's name,
    and nothing is taken from PG* variables or files in the home folder.
    """
    try:
        return _parse(url)
    except ConfigurationError as error:
        words = str(error)
    del url  # an error collector records the variables of this frame
    raise ConfigurationError(f"{variable}: {words}")  # here, where no cause is chained that could show a password


def _parse(url: str) -> ConnectionTarget:
    place, _, query = _without_scheme(_unwrapped(url)).partition("?")
    _refuse_unencoded(place, query)
    authority, _, database = place.partition("/")
    userinfo, _, hostlist = authority.rpartition("@")
    user, _, password = userinfo.partition(":")
    parameters = Parameters(query)
    for name, value in (("user", user), ("host", hostlist), ("dbname", database)):
        parameters.put(name, decoded(value))
    hosts, ports = hosts_and_ports(parameters.take("host"), parameters.take("port"))
    tls, notes = tls_of(parameters, sockets=all(host.startswith("/") for host in hosts))
    settings = _without_needless_endpoint(server_options(parameters), hosts)
    target = ConnectionTarget(
        hosts=hosts,
        ports=ports,
        user=_present("user", parameters.take("user")),
        password=decoded(password) or None,
        database=_present("database", parameters.take("dbname")),
        tls=tls,
        target_session_attrs=parameters.one_of("target_session_attrs", _SESSION_ATTRIBUTES),
        connect_timeout_seconds=_connect_timeout_seconds(parameters),
        server_settings=settings,
        pooled=endpoint_of(settings).endswith(_POOLER) or any(_direct_host(host) != host for host in hosts),
        notes=notes,
    )
    parameters.refuse_what_is_left()
    refuse_development_password(target.password, target.hosts)
    return target


def _unwrapped(text: str) -> str:
    """Return the URL in what was pasted: without what stands around it in a shell, a `.env` or a chat."""
    inner = re.sub(r"^(export\s+)?DATABASE(_DIRECT)?_URL\s*=|^psql\s", "", text.strip().strip(_INVISIBLE)).strip()
    if len(inner) > 1 and _QUOTES.get(inner[0]) == inner[-1]:
        inner = inner[1:-1]
    return inner if inner == text else _unwrapped(inner)


def _without_scheme(text: str) -> str:
    if not text:
        raise ConfigurationError(f"it is empty; write {SHAPE}")
    if text[0] in _QUOTES or text[-1] in _QUOTES.values():
        raise ConfigurationError("it has a quote at one end only; remove it, or write %27 for ' and %22 for \"")
    scheme, _, rest = text.partition("://")
    if not rest:
        raise ConfigurationError(f"it is not a URL; write {SHAPE}")
    if re.search(r"\s", text):
        raise ConfigurationError("it has a space or a line break in it; remove it, or write %20 if it belongs there")
    if scheme not in _SCHEMES:
        shown = f"{scheme}://" if _OTHER_SCHEMES.fullmatch(scheme) else "something else"
        raise ConfigurationError(f"it begins with {shown}; write {SHAPE}")
    return rest


def _refuse_unencoded(place: str, query: str) -> None:
    """Refuse a password that ends early: its rest would be taken for a host or a parameter, and shown as one."""
    authority, _, path = place.partition("/")
    code = (
        "%23 for #" if "#" in place + query else
        "%3F for ?, and in parameters %40 for @" if "@" in query else
        "%40 for @" if authority.count("@") > 1 else
        "%2F for /" if "/" in path or "@" in path else
        None
    )  # fmt: skip
    if code:
        raise ConfigurationError(f"it has a sign where it cannot be; in a user, password or database write {code}")


def _present(part: str, value: str) -> str:
    if not value:
        raise ConfigurationError(f"it names no {part}; write {SHAPE}")
    return value


def _connect_timeout_seconds(parameters: Parameters) -> float | None:
    text = parameters.take("connect_timeout")
    if text and not re.fullmatch("[1-9][0-9]{0,5}", text):  # to libpq 0 is for ever, which nobody means
        raise ConfigurationError("connect_timeout must be a whole number of seconds from 1")
    return float(text) if text else None


def _without_needless_endpoint(settings: Mapping[str, str], hosts: tuple[str, ...]) -> Mapping[str, str]:
    """Drop Neon's `endpoint` where the host says the same.

    TLS tells the proxy the host; the option is for clients that cannot. Where the two differ by as little as the
    `-pooler` the proxy refuses both ("Inconsistent project name"), so that what is pasted together would not work.
    """
    endpoint = endpoint_of(settings).removesuffix(_POOLER)
    labels = {_direct_host(host).partition(".")[0] for host in hosts}
    if endpoint and any(label.startswith("ep-") for label in labels):
        if labels != {endpoint}:
            raise ConfigurationError("options names another endpoint than the host does; remove one of them")
        return with_endpoint(settings, "")
    return settings


def _direct_host(host: str) -> str:
    return re.sub(rf"^([^./]+){_POOLER}(?=\.|$)", r"\1", host, flags=re.IGNORECASE)
