"""The password that docker-compose.yml has by default: everybody knows it, so it is good for this machine alone."""

from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from app.db.errors import ConfigurationError

DEVELOPMENT_PASSWORD: Final = "insecure-development-password"  # noqa: S105 - known to everybody, by design


def refuse_development_password(password: str | None, hosts: Sequence[str]) -> None:
    """Raise `ConfigurationError` if the password is the known one and a host is not this machine."""
    if password == DEVELOPMENT_PASSWORD and not on_this_machine(hosts):
        raise ConfigurationError(
            "its password is the development password of docker-compose.yml, which everybody knows, so it is refused "
            "outside this machine; for compose set OWNER_PASSWORD and APP_PASSWORD, elsewhere give the role another"
        )


def on_this_machine(hosts: Sequence[str]) -> bool:
    """Return whether each host is a socket or a loopback address, so that nothing goes over a network."""
    return all(host.startswith("/") or _is_loopback(host) for host in hosts)


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host.lower() == "localhost"
