"""The hosts of a URL: names, addresses, folders of sockets, each with its port."""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NamedTuple

from app.db.errors import ConfigurationError
from app.db.target.parameters import Parameters, decoded

_DEFAULT_PORT: Final = 5432
_LARGEST_PORT: Final = 65535
_HOST: Final = r"(?P<host>\[[0-9a-fA-F:.]+(%\w+)?\]|[^:\[\]/]+)(:(?P<port>[^:]*))?"
_PORT_ALONE: Final = ":[0-9]+"
_SOCKET: Final = r"(?s)(?P<host>/.*?)(:(?P<port>[0-9]+))?"
_SOCKET_FILE: Final = r"(?s)(?P<host>/.*)/\.s\.PGSQL\.(?P<port>[0-9]+)"
_LONGEST_SOCKET_BYTES: Final = 107
_THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1")


class Hosts(NamedTuple):
    """As many ports as hosts; a host that begins with a slash is the folder of a socket."""

    names: tuple[str, ...]
    ports: tuple[int, ...]
    notes: tuple[str, ...]


class _Place(NamedTuple):
    host: str
    port: str


def hosts_of(authority: str, parameters: Parameters) -> Hosts:
    """Take `host`, `unix_sock` and `port` out of `parameters`; `authority` is the URL's own list, still encoded.

    A socket among the parameters displaces the authority, as in libpq: ORMs that require a host in every URL get
    ``localhost``. Raises `ConfigurationError`.
    """
    authority, port_alone = ("", authority[1:]) if re.fullmatch(_PORT_ALONE, authority) else (decoded(authority), "")
    own = [_of_authority(text) for text in authority.split(",")] if authority else []
    given = [
        _of_parameter(text)
        for name in ("host", "unix_sock")
        for value in parameters.take_all(name)
        for text in value.split(",")
    ]
    notes: tuple[str, ...] = ()
    if own and given and {place.host for place in own} != {place.host for place in given}:
        if not all(_is_socket(place.host) for place in given):
            raise ConfigurationError("it has host twice with different values")
        if any(place.host not in _THIS_MACHINE for place in own):
            unused = ", ".join(place.host for place in own)
            notes = (f"host={given[0].host}: the socket is used, not {unused}",)
        port_alone = next((place.port for place in own if place.port), "")
    given = [_Place(place.host, place.port or port_alone) for place in given]
    places = given or own
    if not places:
        raise ConfigurationError("it names no host; write user:password@host/database, or ?host=/folder/of/the/socket")
    names = tuple(map(_checked, (place.host for place in places)))
    ports_of_all = tuple(map(_port, _filled([place.port for place in places], parameters.take_all("port"))))
    for name, port in zip(names, ports_of_all, strict=True):
        _refuse_long_socket(name, port)
    return Hosts(names, ports_of_all, notes)


def _of_authority(text: str) -> _Place:
    if _is_socket(text):
        return _of_socket(text, _SOCKET)
    return _of_host(text)


def _of_parameter(text: str) -> _Place:
    """Return the place that a parameter names; a path has no port, and an address needs no brackets."""
    if _is_socket(text):
        return _of_socket(text, None)
    try:
        return _Place(str(IPv6Address(text)), "")
    except AddressValueError:
        return _of_host(text)


def _of_socket(text: str, pattern: str | None) -> _Place:
    match = re.fullmatch(_SOCKET_FILE, text) or (pattern and re.fullmatch(pattern, text))
    return _Place(match["host"], match["port"] or "") if match else _Place(text, "")


def _of_host(text: str) -> _Place:
    match = re.fullmatch(_HOST, text)
    if not match:
        raise ConfigurationError(
            "it has an invalid host; write an IPv6 address in [brackets], and the folder of a socket as ?host=/folder"
        )
    return _Place(match["host"].strip("[]"), match["port"] or "")


def _is_socket(host: str) -> bool:
    return host.startswith("/")


def _checked(host: str) -> str:
    """Return `host` if the resolver accepts it; for other text it raises no OSError."""
    if host.startswith("@"):
        raise ConfigurationError("it has an abstract socket, @..., which asyncpg cannot use; write ?host=/folder")
    try:
        host.encode("idna")
    except UnicodeError:
        if not _is_socket(host):
            words = "it has an invalid host; each part between dots has 1 to 63 characters"
            raise ConfigurationError(words) from None
    return host


def _filled(own: list[str], given: list[str]) -> list[str]:
    ports = [port for value in given for port in value.split(",")]
    if not ports:
        return own
    if any(own):
        if ports == own:
            return own
        raise ConfigurationError("it has port twice, with the host and as a parameter")
    if len(ports) not in (1, len(own)):
        raise ConfigurationError(f"it has {len(own)} hosts and {len(ports)} ports; write one port, or one for each")
    return ports * (len(own) // len(ports))


def _port(text: str) -> int:
    if not text:
        return _DEFAULT_PORT
    if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) <= _LARGEST_PORT:
        # Not shown: where the host is missing or a / is not encoded, this is a part of the password.
        raise ConfigurationError(
            f"the port is not a number from 1 to {_LARGEST_PORT}; write one, and a / in the password as %2F"
        )
    return int(text)


def _refuse_long_socket(host: str, port: int) -> None:
    length = len(f"{host}/.s.PGSQL.{port}".encode())
    if _is_socket(host) and length > _LONGEST_SOCKET_BYTES:
        raise ConfigurationError(
            f"the socket's path is {length} bytes long; the limit is {_LONGEST_SOCKET_BYTES}: use a shorter folder"
        )
