"""A pooler is recognized by its host or by the setting, and the direct host behind it is derived."""

import pytest

from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.target.url import parse_url

NEON = "postgresql://ada:pw@ep-cool-darkness-123456-pooler.c-2.eu-central-1.aws.neon.tech/app"


@pytest.mark.parametrize("host", ["pg-pooler.internal", "PG-POOLER.Internal", "one,two-pooler.internal"])
def test_a_pooler_is_known_by_its_first_label(host: str) -> None:
    """Any spelling counts, but only in the first label."""
    assert parse_url(f"postgresql://ada@{host}/app").pooled
    assert not parse_url("postgresql://ada@pg.my-pooler.internal/app").pooled


def test_a_pooler_can_be_named_where_the_host_does_not_tell() -> None:
    """With `DATABASE_POOLER=transaction` the direct host is that of DATABASE_DIRECT_URL, which is then required."""
    settings = DatabaseSettings(url="postgresql://ada@bouncer:6432/app", pooler="transaction")
    assert settings.target().pooled
    with pytest.raises(ConfigurationError, match="DATABASE_DIRECT_URL"):
        settings.direct_target()
    direct = "postgresql://ada@server/app"
    named = DatabaseSettings(url="postgresql://ada@bouncer:6432/app", pooler="transaction", direct_url=direct)
    assert named.direct_target() == parse_url(direct)
    assert not DatabaseSettings(url=NEON, pooler="none").target().pooled


def test_settings_that_a_pooler_would_refuse_are_refused_by_us() -> None:
    """Neon's pooled host refuses `options=-c` with 08P01; the error gives the reason before anything is sent."""
    url = NEON + "?statement_timeout=5s"
    with pytest.raises(ConfigurationError, match="SET LOCAL"):
        DatabaseSettings(url=url).target()
    assert DatabaseSettings(url=url.replace("-pooler", "")).target().server_settings
    assert DatabaseSettings(url="postgresql://ada@proxy/app?options=endpoint%3Dep-1-pooler").target().pooled


@pytest.mark.parametrize(
    ("place", "direct"),
    [
        ("ep-a-pooler.eu.aws.neon.tech", "ep-a.eu.aws.neon.tech:5432"),
        ("aws-0-eu-central-1.pooler.supabase.com:6543", "aws-0-eu-central-1.pooler.supabase.com:5432"),
        ("db.abcdefgh.supabase.co:6543", "db.abcdefgh.supabase.co:5432"),
        ("server.postgres.database.azure.com:6432", "server.postgres.database.azure.com:5432"),
        ("p.abcdefgh.db.postgresbridge.com:5431", "p.abcdefgh.db.postgresbridge.com:5432"),
        ("pgbouncer.abcdefgh.flympg.net", "direct.abcdefgh.flympg.net:5432"),
        ("db-do-user-1-0.b.db.ondigitalocean.com:25061", None),
        ("aws-0-eu-central-1.pooler.supabase.com:5432", ""),
        ("db-do-user-1-0.b.db.ondigitalocean.com:25060", ""),
        ("direct.abcdefgh.flympg.net", ""),
        ("pgbouncer.example.com", ""),
        ("db.example.com:6543", ""),
    ],
)
def test_the_poolers_of_providers_are_known_by_host_and_port(place: str, direct: str | None) -> None:
    """The server behind each is known if the URL shows it; None means it does not, empty means no pooler."""
    target = parse_url(f"postgresql://ada@{place}/app")
    assert target.pooled == (direct != "")
    if direct is None:
        with pytest.raises(ConfigurationError, match="set DATABASE_DIRECT_URL"):
            target.direct()
    elif direct:
        assert str(target.direct()) == f"ada@{direct}/app"
        assert not target.direct().pooled
