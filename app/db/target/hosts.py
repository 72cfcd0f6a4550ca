"""The hosts of a URL: names, addresses, sockets, each with its port."""

import re
from typing import Final

from app.db.errors import ConfigurationError

_DEFAULT_PORT: Final = 5432
_LARGEST_PORT: Final = 65535
_HOST: Final = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+(%\w+)?\]|[^:\[\]]+)(:(?P<port>[^:]*))?")


def hosts_and_ports(hosts: str, ports: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return as many ports as hosts; `ports` is for the hosts without one. Raises `ConfigurationError`."""
    if not hosts:
        raise ConfigurationError("it names no host; write user:password@host/database, or ?host=/folder/of/the/socket")
    found = [_HOST.fullmatch(text) for text in hosts.split(",")]
    named = [match for match in found if match]
    if len(named) < len(found):
        raise ConfigurationError("it has a host that cannot be one; write an IPv6 address in [brackets]")
    names = tuple(match["host"].strip("[]") for match in named)
    if not all(map(_can_be_looked_up, names)):
        raise ConfigurationError("it has a host that cannot be one; between two dots stand 1 to 63 characters")
    own = [match["port"] or "" for match in named]
    return names, tuple(_port(text) for text in (_filled(own, ports.split(",")) if ports else own))


def _filled(own: list[str], given: list[str]) -> list[str]:
    if any(own):
        raise ConfigurationError("it has port twice, with the host and as a parameter")
    if len(given) not in (1, len(own)):
        raise ConfigurationError(f"it has {len(own)} hosts and {len(given)} ports; write one port, or one for each")
    return given * (len(own) // len(given))


def _port(text: str) -> int:
    if not text:
        return _DEFAULT_PORT
    if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) <= _LARGEST_PORT:
        # Not shown: where the host is missing or a / is not encoded, this is a part of the password.
        raise ConfigurationError(f"the port is no number from 1 to {_LARGEST_PORT}; is a / in the password %2F?")
    return int(text)


def _can_be_looked_up(host: str) -> bool:
    """Whether the resolver takes it: it raises no OSError for what it does not."""
    try:
        host.encode("idna")
    except UnicodeError:
        return host.startswith("/")
    return True
