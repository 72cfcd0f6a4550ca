"""A database URL, understood."""

from dataclasses import dataclass, field

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.db.errors import ConfigurationError

_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
_DEFAULT_PORT = 5432


@dataclass(frozen=True, slots=True)
class ConnectionTarget:
    """Where and how to connect. The password is not in its repr."""

    host: str
    port: int
    user: str
    database: str
    password: str | None = field(repr=False)
    ssl: str

    @property
    def is_socket(self) -> bool:
        """Whether the host is a folder with a unix socket."""
        return self.host.startswith("/")


def parse_url(url: str) -> ConnectionTarget:
    """Return the target that `url` names; raises `ConfigurationError` that says what is wrong, never the password."""
    try:
        parsed = make_url(url.strip())
    except ArgumentError:
        raise ConfigurationError(
            "DATABASE_URL is not a URL: expected postgresql://user:password@host/database"
        ) from None
    if parsed.drivername not in _SCHEMES:
        raise ConfigurationError(f"DATABASE_URL begins with {parsed.drivername}://, expected postgresql://")
    if not parsed.database:
        raise ConfigurationError("DATABASE_URL names no database: expected postgresql://user:password@host/database")
    query = {name: value if isinstance(value, str) else value[-1] for name, value in parsed.query.items()}
    host = query.pop("host", None) or parsed.host or "localhost"
    port = int(query.pop("port", None) or parsed.port or _DEFAULT_PORT)
    ssl = query.pop("ssl", None) or query.pop("sslmode", None) or ("disable" if host.startswith("/") else "require")
    if query:
        raise ConfigurationError(f"DATABASE_URL has parameters that are not understood: {', '.join(sorted(query))}")
    return ConnectionTarget(
        host=host,
        port=port,
        user=parsed.username or "postgres",
        database=parsed.database,
        password=parsed.password,
        ssl=ssl,
    )
