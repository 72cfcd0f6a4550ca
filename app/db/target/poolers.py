"""Transaction poolers that are known by host and port, and the server behind each."""

import re
from typing import Final, NamedTuple

POOLER: Final = "-pooler"
"""How Neon names the pooler of an endpoint."""


class _Pooler(NamedTuple):
    """A provider's pooler: its hosts and port, and where its server is; None is as in the URL."""

    host: str
    port: int | None = None
    direct_host: str = r"\g<0>"
    direct_port: int | None = None


_POOLERS: Final = (
    # Neon, and others that end the first label with `-pooler`
    _Pooler(rf"(?i)^([^./]+){POOLER}(?=\.|$)", direct_host=r"\1"),
    # Supabase: Supavisor and the dedicated PgBouncer; port 5432 of the first is in session mode
    _Pooler(r"(?i)^.+\.pooler\.supabase\.(com|co|in)$", port=6543, direct_port=5432),
    _Pooler(r"(?i)^db\..+\.supabase\.(com|co|in)$", port=6543, direct_port=5432),
    _Pooler(r"(?i)^.+\.postgres\.database\.azure\.com$", port=6432, direct_port=5432),
    _Pooler(r"(?i)^.+\.(postgresbridge|crunchybridge)\.com$", port=5431, direct_port=5432),
    _Pooler(r"(?i)^pgbouncer(\..+\.flympg\.net)$", direct_host=r"direct\1"),
)
# DigitalOcean: the URL of a pool has the pool's name instead of the database's, so it does not tell the server.
_OPAQUE: Final = (_Pooler(r"(?i)^.+\.db\.ondigitalocean\.com$", port=25061, direct_port=25061),)


def is_pooler(host: str, port: int) -> bool:
    """Return whether `host` and `port` are of a transaction pooler."""
    return any(_is(pooler, host, port) for pooler in _POOLERS + _OPAQUE)


def behind(host: str, port: int) -> tuple[str, int]:
    """Return host and port of the server behind a pooler, or the same if they are not known."""
    for pooler in _POOLERS:
        if _is(pooler, host, port):
            return re.sub(pooler.host, pooler.direct_host, host, count=1), pooler.direct_port or port
    return host, port


def _is(pooler: _Pooler, host: str, port: int) -> bool:
    return bool(re.search(pooler.host, host)) and pooler.port in (None, port)
