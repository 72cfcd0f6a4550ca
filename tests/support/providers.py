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
    instead: str = ""


_SUPABASE = "postgres.abcdefghijklmnopqrst:[YOUR-PASSWORD]@aws-0-eu-central-1.pooler.supabase.com"
PROVIDERS = (
    Provider(
        "Neon, pooled",
        "postgresql://ada:npg_x1@ep-cool-sea-a1b2c3d4-pooler.eu-central-1.aws.neon.tech/app?sslmode=require&channel_binding=require",
    ),
    Provider(
        "Neon, direct",
        "postgresql://ada:npg_x1@ep-cool-sea-a1b2c3d4.eu-central-1.aws.neon.tech/app?sslmode=require&channel_binding=require",
    ),
    Provider(
        "Supabase, direct", "postgresql://postgres:[YOUR-PASSWORD]@db.abcdefghijklmnopqrst.supabase.co:5432/postgres"
    ),
    Provider("Supabase, session pooler", f"postgresql://{_SUPABASE}:5432/postgres"),
    Provider("Supabase, transaction pooler", f"postgresql://{_SUPABASE}:6543/postgres"),
    Provider("Supabase, for Prisma", f"postgresql://{_SUPABASE}:6543/postgres?pgbouncer=true"),
    Provider("Amazon RDS", "postgresql://postgres:secret@database-1.abc123.eu-central-1.rds.amazonaws.com:5432/app"),
    Provider(
        "Amazon Aurora", "postgresql://postgres:secret@aurora.cluster-abc123.eu-central-1.rds.amazonaws.com:5432/app"
    ),
    Provider("Google Cloud SQL, socket", "postgresql+asyncpg://ada:secret@/app?host=/cloudsql/project:region:instance"),
    Provider(
        "Google Cloud SQL, socket as pg8000 writes it",
        "postgresql+pg8000://ada:secret@/app?unix_sock=/cloudsql/project:region:instance/.s.PGSQL.5432",
        "postgresql://ada:secret@/app?unix_sock=/cloudsql/project:region:instance/.s.PGSQL.5432",
    ),
    Provider(
        "Google Cloud SQL, socket in Prisma",
        "postgresql://ada:secret@localhost/app?host=/cloudsql/project:region:instance",
    ),
    Provider("Google Cloud SQL, address", "postgresql://ada:secret@203.0.113.7:5432/app"),
    Provider(
        "Azure Database, flexible server",
        "postgresql://ada:{your_password}@server.postgres.database.azure.com:5432/postgres?sslmode=require",
    ),
    Provider(
        "Azure Database, its PgBouncer",
        "postgresql://ada:{your_password}@server.postgres.database.azure.com:6432/postgres?sslmode=require",
    ),
    Provider("Heroku", "postgres://u1a2b3:p1a2b3@ec2-203-0-113-7.compute-1.amazonaws.com:5432/d1a2b3"),
    Provider("Railway, public", "postgresql://postgres:secret@roundhouse.proxy.rlwy.net:12345/railway"),
    Provider("Railway, private", "postgresql://postgres:secret@postgres.railway.internal:5432/railway"),
    Provider("Render, external", "postgresql://ada:secret@dpg-a1b2c3-a.frankfurt-postgres.render.com/app"),
    Provider("Render, internal", "postgresql://ada:secret@dpg-a1b2c3-a/app"),
    Provider(
        "DigitalOcean",
        "postgresql://doadmin:secret@db-1-do-user-123-0.b.db.ondigitalocean.com:25060/defaultdb?sslmode=require",
    ),
    Provider(
        "DigitalOcean, connection pool",
        "postgresql://doadmin:secret@db-1-do-user-123-0.b.db.ondigitalocean.com:25061/pool?sslmode=require",
    ),
    Provider("Fly, managed", "postgresql://fly-user:secret@pgbouncer.a1b2c3.flympg.net/fly-db"),
    Provider("Fly, self-managed", "postgres://postgres:secret@app-db.flycast:5432/app?sslmode=disable"),
    Provider("Crunchy Bridge", "postgres://application:secret@p.a1b2c3.db.postgresbridge.com:5432/postgres"),
    Provider(
        "Crunchy Bridge, its PgBouncer", "postgres://application:secret@p.a1b2c3.db.postgresbridge.com:5431/postgres"
    ),
    Provider("Docker, a service of Compose", "postgresql://postgres:secret@db:5432/app?sslmode=disable"),
    Provider("Docker, a published port", "postgresql://postgres:secret@localhost:5432/app?sslmode=disable"),
    Provider("Local, over a socket", "postgresql:///app?host=/var/run/postgresql&user=ada"),
    Provider(
        "Local, as libpq allows it", "postgresql://localhost/app", "postgresql://ada@localhost/app?sslmode=disable"
    ),
)


def filled_in(url: str) -> str:
    """Return the URL with a password where the console shows a placeholder."""
    return re.sub(r"\[YOUR-PASSWORD\]|\{your_password\}", "secret", url)


def target_of(url: str) -> ConnectionTarget:
    """Return the layer's interpretation of a URL."""
    return DatabaseSettings(url=filled_in(url)).target()


def table() -> str:
    """Return the table in Markdown."""
    head = ["| provider | as its console shows it | how the layer reads it |", "|---|---|---|"]
    rows = (f"| {each.name} | `{each.shown}` | {'; '.join(_outcome(each))} |" for each in PROVIDERS)
    return "\n".join([*head, *rows])


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
