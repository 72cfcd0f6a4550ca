"""The connection strings of providers' consoles, and the table of them in docs/connect.md."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.target.certificates import has_own_ca, has_public_ca
from app.db.target.url import ConnectionTarget


@dataclass(frozen=True, slots=True)
class Provider:
    """One string that users copy, and what to write if it does not work unchanged."""

    name: str
    shown: str
    source: str = ""
    """The provider's page on connecting."""
    instead: str = ""


_NEON_PAGE = "https://neon.com/docs/connect/connect-from-any-app"
_SUPABASE_PAGE = "https://supabase.com/docs/guides/database/connecting-to-postgres"
_AURORA_PAGE = "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Overview.Endpoints.html"
_CLOUD_SQL_PAGE = "https://cloud.google.com/sql/docs/postgres/samples/cloud-sql-postgres-sqlalchemy-create-socket"
_AZURE_PAGE = (
    "https://learn.microsoft.com/powershell/module/az.postgresql/get-azpostgresqlflexibleserverconnectionstring"
)
_HEROKU_PAGE = "https://devcenter.heroku.com/articles/connecting-heroku-postgres"
_RAILWAY_PAGE = "https://docs.railway.com/databases/postgresql-pgbouncer"
_RENDER_PAGE = "https://render.com/tutorials/postgres-on-render/connection-strings"
_DIGITALOCEAN_PAGE = (
    "https://docs.digitalocean.com/reference/terraform/reference/data-sources/database_connection_pool/"
)
_FLY_UNMANAGED_PAGE = "https://fly.io/docs/postgres/connecting/connecting-internal/"
_FLY_PAGE = "https://fly.io/docs/mpg/client-configuration/"
_CRUNCHY_PAGE = "https://docs.crunchybridge.com/connecting"
_CRUNCHY_POOLER_PAGE = "https://docs.crunchybridge.com/how-to/pgbouncer"
_SUPABASE = "postgres.abcdefghijklmnopqrst:[YOUR-PASSWORD]@aws-0-eu-central-1.pooler.supabase.com"
PROVIDERS = (
    Provider(
        "Neon, pooled",
        "postgresql://ada:npg_x1@ep-cool-sea-a1b2c3d4-pooler.eu-central-1.aws.neon.tech/app?sslmode=require&channel_binding=require",
        _NEON_PAGE,
    ),
    Provider(
        "Neon, direct",
        "postgresql://ada:npg_x1@ep-cool-sea-a1b2c3d4.eu-central-1.aws.neon.tech/app?sslmode=require&channel_binding=require",
        _NEON_PAGE,
    ),
    Provider(
        "Supabase, direct",
        "postgresql://postgres:[YOUR-PASSWORD]@db.abcdefghijklmnopqrst.supabase.co:5432/postgres",
        _SUPABASE_PAGE,
    ),
    Provider("Supabase, session pooler", f"postgresql://{_SUPABASE}:5432/postgres", _SUPABASE_PAGE),
    Provider("Supabase, transaction pooler", f"postgresql://{_SUPABASE}:6543/postgres", _SUPABASE_PAGE),
    Provider(
        "Supabase, dedicated pooler",
        "postgresql://postgres:[YOUR-PASSWORD]@db.abcdefghijklmnopqrst.supabase.co:6543/postgres",
        _SUPABASE_PAGE,
    ),
    Provider("Supabase, for Prisma", f"postgresql://{_SUPABASE}:6543/postgres?pgbouncer=true", _SUPABASE_PAGE),
    Provider("Amazon RDS", "postgresql://postgres:secret@database-1.abc123.eu-central-1.rds.amazonaws.com:5432/app"),
    Provider(
        "Amazon Aurora",
        "postgresql://postgres:secret@aurora.cluster-abc123.eu-central-1.rds.amazonaws.com:5432/app",
        _AURORA_PAGE,
    ),
    Provider(
        "Google Cloud SQL, socket",
        "postgresql+asyncpg://ada:secret@/app?host=/cloudsql/project:region:instance",
        _CLOUD_SQL_PAGE,
    ),
    Provider(
        "Google Cloud SQL, socket as pg8000 writes it",
        "postgresql+pg8000://ada:secret@/app?unix_sock=/cloudsql/project:region:instance/.s.PGSQL.5432",
        _CLOUD_SQL_PAGE,
        instead="postgresql://ada:secret@/app?unix_sock=/cloudsql/project:region:instance/.s.PGSQL.5432",
    ),
    Provider(
        "Google Cloud SQL, socket in Prisma",
        "postgresql://ada:secret@localhost/app?host=/cloudsql/project:region:instance",
        _CLOUD_SQL_PAGE,
    ),
    Provider("Google Cloud SQL, address", "postgresql://ada:secret@203.0.113.7:5432/app", _CLOUD_SQL_PAGE),
    Provider(
        "Azure Database, as its CLI shows it",
        "postgresql://ada:{password}@server.postgres.database.azure.com/app?sslmode=require",
        _AZURE_PAGE,
    ),
    Provider(
        "Azure Database, as its portal shows it for libpq",
        "host=server.postgres.database.azure.com port=5432 dbname={your_database} user=ada password={your_password} "
        "sslmode=require",
        _AZURE_PAGE,
        instead="postgresql://ada:secret@server.postgres.database.azure.com:5432/app?sslmode=require",
    ),
    Provider(
        "Azure Database, its PgBouncer",
        "postgresql://ada:{password}@server.postgres.database.azure.com:6432/app?sslmode=require",
        _AZURE_PAGE,
    ),
    Provider("Heroku", "postgres://u1a2b3:p1a2b3@ec2-203-0-113-7.compute-1.amazonaws.com:5432/d1a2b3", _HEROKU_PAGE),
    Provider("Railway, public", "postgresql://postgres:secret@roundhouse.proxy.rlwy.net:12345/railway", _RAILWAY_PAGE),
    Provider("Railway, private", "postgresql://postgres:secret@postgres.railway.internal:5432/railway", _RAILWAY_PAGE),
    Provider(
        "Render, external", "postgresql://ada:secret@dpg-a1b2c3-a.frankfurt-postgres.render.com/app", _RENDER_PAGE
    ),
    Provider("Render, internal", "postgresql://ada:secret@dpg-a1b2c3-a/app", _RENDER_PAGE),
    Provider(
        "DigitalOcean",
        "postgresql://doadmin:secret@db-1-do-user-123-0.b.db.ondigitalocean.com:25060/defaultdb?sslmode=require",
        _DIGITALOCEAN_PAGE,
    ),
    Provider(
        "DigitalOcean, connection pool",
        "postgresql://doadmin:secret@db-1-do-user-123-0.b.db.ondigitalocean.com:25061/pool?sslmode=require",
        _DIGITALOCEAN_PAGE,
    ),
    Provider("Fly, managed", "postgresql://fly-user:secret@pgbouncer.a1b2c3.flympg.net/fly-db", _FLY_PAGE),
    Provider("Fly, managed, direct", "postgresql://fly-user:secret@direct.a1b2c3.flympg.net/fly-db", _FLY_PAGE),
    Provider(
        "Fly, self-managed",
        "postgres://postgres:secret@app-db.flycast:5432/app?sslmode=disable",
        _FLY_UNMANAGED_PAGE,
    ),
    Provider(
        "Crunchy Bridge", "postgres://application:secret@p.a1b2c3.db.postgresbridge.com:5432/postgres", _CRUNCHY_PAGE
    ),
    Provider(
        "Crunchy Bridge, its PgBouncer",
        "postgres://application:secret@p.a1b2c3.db.postgresbridge.com:5431/postgres",
        _CRUNCHY_POOLER_PAGE,
    ),
    Provider("Docker, a service of Compose", "postgresql://postgres:secret@db:5432/app?sslmode=disable"),
    Provider("Docker, a published port", "postgresql://postgres:secret@localhost:5432/app?sslmode=disable"),
    Provider("Local, over a socket", "postgresql:///app?host=/var/run/postgresql&user=ada"),
    Provider(
        "Local, as libpq allows it",
        "postgresql://localhost/app",
        instead="postgresql://ada@localhost/app?sslmode=disable",
    ),
)


def filled_in(url: str) -> str:
    """Return the URL with a password where the console shows a placeholder."""
    return re.sub(r"\[YOUR-PASSWORD\]|\{password\}", "secret", url)


def target_of(url: str) -> ConnectionTarget:
    """Return the layer's interpretation of a URL."""
    return DatabaseSettings(url=filled_in(url)).target()


def table() -> str:
    """Return the table in Markdown."""
    head = ["| provider | as its console shows it | how the layer reads it |", "|---|---|---|"]
    rows = (f"| {_linked(each)} | `{each.shown}` | {'; '.join(_outcome(each))} |" for each in PROVIDERS)
    return "\n".join([*head, *rows])


def _linked(provider: Provider) -> str:
    return f"[{provider.name}]({provider.source})" if provider.source else provider.name


def _outcome(provider: Provider) -> Iterator[str]:
    if provider.shown != filled_in(provider.shown):
        yield "with the password filled in"
    url = provider.shown
    if provider.instead:
        yield f"refused: *{_refusal(url)}*; write `{provider.instead}`"
        url = provider.instead
    target = target_of(url)
    yield "a transaction pooler" if target.pooled else "direct"
    yield from _encryption(target)
    if target.pooled:
        yield _migrations(target)


def _encryption(target: ConnectionTarget) -> Iterator[str]:
    if target.is_socket:
        yield "a socket, which needs no TLS"
    elif target.tls.mode == "verify-full":
        yield "encrypted and verified"
    elif target.tls.mode == "require":
        yield f"encrypted; {_how_to_verify(target.hosts[0])}"
    else:
        yield f"`sslmode={target.tls.mode}`: for a trusted network"


def _how_to_verify(host: str) -> str:
    if has_public_ca(host):
        return "`sslmode=verify-full` verifies it"
    if has_own_ca(host):
        return "with the provider's CA, `sslmode=verify-full&sslrootcert=/path/to/ca.crt` verifies it"
    return "not verified"


def _migrations(target: ConnectionTarget) -> str:
    try:
        direct = target.direct()
    except ConfigurationError:
        return "migrations need `DATABASE_DIRECT_URL`"
    return f"migrations go to `{direct.hosts[0]}:{direct.ports[0]}`"


def _refusal(url: str) -> str:
    try:
        DatabaseSettings(url=url).target()
    except ConfigurationError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    print(table())  # noqa: T201 - to update the page
