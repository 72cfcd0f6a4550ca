"""The URL of Neon's console works as it is pasted."""

import pytest

from app.db.target.url import parse_url

NEON = "postgresql://ada:pw@ep-cool-darkness-123456-pooler.c-2.eu-central-1.aws.neon.tech/app"


def test_the_url_of_neons_console_works_as_it_is() -> None:
    """The target is pooled, encrypted and verified, since asyncpg has no channel binding."""
    target = parse_url(NEON + "?sslmode=require&channel_binding=require")
    assert target.pooled
    assert target.tls.mode == "verify-full"
    assert "channel_binding=require" in target.notes[0]
    assert target.direct().hosts == ("ep-cool-darkness-123456.c-2.eu-central-1.aws.neon.tech",)
    assert not target.direct().pooled
    assert target.direct().direct() == target.direct()


@pytest.mark.parametrize("option", ["endpoint%3Dep-1", "project%3Dep-1", "neon_endpoint_type:read_write"])
def test_neons_options_are_kept_where_the_host_does_not_say_the_same(option: str) -> None:
    """They go to the proxy unchanged."""
    target = parse_url(f"postgresql://ada:pw@host/app?options={option}")
    assert target.server_settings == {"options": option.replace("%3D", "=")}


@pytest.mark.parametrize("endpoint", ["ep-cool-darkness-123456", "ep-cool-darkness-123456-pooler"])
def test_an_endpoint_that_the_host_says_too_is_not_sent(endpoint: str) -> None:
    """Neon refuses both if they differ by `-pooler`; the host name, which TLS sends, is enough."""
    assert parse_url(NEON + f"?options=endpoint%3D{endpoint}") == parse_url(NEON)


def test_an_endpoint_can_be_pooled_where_the_host_is_not() -> None:
    """The direct target is then another endpoint on the same host."""
    target = parse_url("postgresql://ada@proxy/app?options=endpoint%3Dep-1-pooler&application_name=web")
    assert target.pooled
    assert target.direct().server_settings == {"options": "endpoint=ep-1", "application_name": "web"}


@pytest.mark.parametrize(
    "pasted",
    [
        " {} ",
        "'{}'",
        '"{}"',
        "psql '{}'",
        "psql {}",
        "\n{}\n",
        'psql "{}"',
        "\"psql '{}'\"",
        "DATABASE_URL={}",
        "export DATABASE_URL='{}'",
        "\ufeff{}",
        "\u201c{}\u201d",
    ],
)
def test_what_is_pasted_with_it_is_taken_off(pasted: str) -> None:
    """People copy spaces, quotes, `psql` and the variable's name along with it."""
    assert parse_url(pasted.format(NEON)) == parse_url(NEON)
