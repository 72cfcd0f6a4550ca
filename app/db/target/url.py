"""Read a database URL: nothing in it is dropped silently, and no error shows its password."""

import re
from collections.abc import Mapping
from typing import Any, Final, Self

from app.db.errors import ConfigurationError
from app.db.target.development import refuse_development_password
from app.db.target.hosts import hosts_of
from app.db.target.options import endpoint_of, server_options, with_endpoint
from app.db.target.parameters import Parameters, decoded
from app.db.target.pasted import SHAPE, refuse_placeholders, refuse_unencoded, unwrapped, without_scheme
from app.db.target.poolers import POOLER, behind, is_pooler
from app.db.target.tls import TlsSettings
from app.db.target.tls_parameters import tls_of

__all__ = ["SHAPE", "ConnectionTarget", "parse_url"]

_TRUE: Final = ("true", "1", "yes", "on")
_FALSE: Final = ("false", "0", "no", "off")
_DEFAULTS: Final = {
    "client_encoding": ("utf8", "unicode", "auto"),
    "encoding": ("utf8", "unicode"),
    "charset": ("utf8", "unicode"),
    "gssencmode": ("disable", "prefer"),
    "sslcompression": _FALSE,
    "sslsni": ("1",),
    "sslcertmode": ("allow",),
    "ssl_min_protocol_version": ("tlsv1", "tlsv1.1", "tlsv1.2"),
    "load_balance_hosts": ("disable",),
    "uselibpqcompat": _TRUE,  # node-postgres: sslmode means what libpq means by it, as here
}
_SESSION_ATTRIBUTES: Final = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")


class ConnectionTarget:  # noqa: PLW1641 - the settings are a dict, which has no hash
    """Where and how to connect; its repr has no password."""

    def __init__(  # noqa: PLR0913 - the parts of a URL
        self,
        *,
        hosts: tuple[str, ...],
        ports: tuple[int, ...],
        user: str,
        password: str | None,
        database: str,
        tls: TlsSettings,
        target_session_attrs: str,
        server_settings: Mapping[str, str],
        connect_timeout_seconds: float | None,
        pooled: bool,
        notes: tuple[str, ...],
    ) -> None:
        self.hosts: Final = hosts
        self.ports: Final = ports
        self.user: Final = user
        self.password: Final = password
        self.database: Final = database
        self.tls: Final = tls
        self.target_session_attrs: Final = target_session_attrs
        self.server_settings: Final = server_settings
        self.connect_timeout_seconds: Final = connect_timeout_seconds
        self.pooled: Final = pooled
        self.notes: Final = notes
        """What means something else here than it says, or is weaker than it could be: logged once."""

    def but(self, **changes: Any) -> Self:
        """Return the same target with other values of some attributes."""
        return type(self)(**{**vars(self), **changes})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConnectionTarget) and vars(self) == vars(other)

    def __str__(self) -> str:
        return self.place(self.hosts, self.ports)

    def place(self, hosts: tuple[str, ...], ports: tuple[int, ...]) -> str:
        """Return user, hosts and database as text; `hosts` are all of the target's or some of them."""
        places = (
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in zip(hosts, ports, strict=True)
        )
        return f"{self.user}@{','.join(places)}/{self.database}"

    @property
    def is_socket(self) -> bool:
        """Return whether every host is the folder of a unix socket."""
        return all(host.startswith("/") for host in self.hosts)

    def direct(self) -> "ConnectionTarget":
        """Return the server behind the pooler; raises `ConfigurationError` if the host does not tell it."""
        if not self.pooled:
            return self
        places = tuple(behind(host, port) for host, port in zip(self.hosts, self.ports, strict=True))
        hosts, ports = tuple(host for host, _ in places), tuple(port for _, port in places)
        endpoint = endpoint_of(self.server_settings)
        if (hosts, ports) == (self.hosts, self.ports) and not endpoint.endswith(POOLER):
            raise ConfigurationError(
                f"{self} is a pooler, and the server cannot be derived from its host: set DATABASE_DIRECT_URL"
            )
        settings = with_endpoint(self.server_settings, endpoint.removesuffix(POOLER))
        return self.but(hosts=hosts, ports=ports, server_settings=settings, pooled=False)


def parse_url(url: str, *, variable: str = "DATABASE_URL") -> ConnectionTarget:
    """Return the target that `url` names; raises `ConfigurationError` that says what is wrong and what to write.

    It differs from libpq in three things: the user never defaults to the operating system's, the database never to the
    user's name, and PG* variables and files in the home folder are not read.
    """
    try:
        return _parse(url)
    except ConfigurationError as error:
        words = str(error)
    del url  # an error collector records the variables of this frame
    raise ConfigurationError(f"{variable}: {words}")  # outside of `except`: a chained error's frames hold the password


def _parse(url: str) -> ConnectionTarget:
    place, _, query = without_scheme(unwrapped(url)).partition("?")
    refuse_unencoded(place, query)
    authority, _, database = place.partition("/")
    userinfo, _, hostlist = authority.rpartition("@")
    user, _, password = userinfo.partition(":")
    refuse_placeholders({"user": user, "password": password, "host": hostlist, "database": database})
    parameters = Parameters(query)
    for name, value in (("user", user), ("password", password), ("dbname", database)):
        parameters.put(name, decoded(value))
    hosts, ports, notes = hosts_of(hostlist, parameters)
    tls, tls_notes = tls_of(parameters, sockets=all(host.startswith("/") for host in hosts))
    settings = _without_needless_endpoint(server_options(parameters), hosts)
    target = ConnectionTarget(
        hosts=hosts,
        ports=ports,
        user=_present("user", parameters.take("user")),
        password=parameters.take("password") or None,
        database=_present("database", parameters.take("dbname")),
        tls=tls,
        target_session_attrs=parameters.one_of("target_session_attrs", _SESSION_ATTRIBUTES),
        connect_timeout_seconds=_connect_timeout_seconds(parameters),
        server_settings=settings,
        pooled=_is_pooled(parameters, hosts, ports, settings),
        notes=notes + tls_notes,
    )
    _take_defaults(parameters)
    parameters.refuse_what_is_left()
    refuse_development_password(target.password, target.hosts)
    return target


def _is_pooled(
    parameters: Parameters, hosts: tuple[str, ...], ports: tuple[int, ...], settings: Mapping[str, str]
) -> bool:
    """Return whether the URL names a transaction pooler: by host and port, Neon's endpoint or Prisma's switch."""
    named = parameters.take("pgbouncer").lower()
    if named not in ("", *_TRUE, *_FALSE):
        raise ConfigurationError("pgbouncer must be true or false")
    known = endpoint_of(settings).endswith(POOLER) or any(map(is_pooler, hosts, ports))
    return named in _TRUE or known


def _take_defaults(parameters: Parameters) -> None:
    """Take parameters that ask for what the layer always does; what asks for something else stays and is refused."""
    for name, values in _DEFAULTS.items():
        value = parameters.take(name)
        if value and value.lower().replace("-", "") not in values:
            parameters.put(name, value)


def _present(part: str, value: str) -> str:
    if not value:
        raise ConfigurationError(f"it names no {part}; write {SHAPE}")
    return value


def _connect_timeout_seconds(parameters: Parameters) -> float | None:
    text = parameters.take("connect_timeout")
    if text and not re.fullmatch("[1-9][0-9]{0,5}", text):  # in libpq 0 means indefinitely
        raise ConfigurationError("connect_timeout must be a whole number of seconds, at least 1")
    return float(text) if text else None


def _without_needless_endpoint(settings: Mapping[str, str], hosts: tuple[str, ...]) -> Mapping[str, str]:
    """Drop Neon's `endpoint` if the host names the same one.

    TLS tells the proxy the host; the option is for clients without SNI. If the two differ only by `-pooler`, the proxy
    refuses both ("Inconsistent project name").
    """
    endpoint = endpoint_of(settings).removesuffix(POOLER)
    labels = {host.partition(".")[0].removesuffix(POOLER) for host in hosts}
    if endpoint and any(label.startswith("ep-") for label in labels):
        if labels != {endpoint}:
            raise ConfigurationError("options and host name different endpoints; remove one of them")
        return with_endpoint(settings, "")
    return settings
