"""Where the replicas are."""

import pytest

from app.db import DatabaseSettings
from app.db.errors import ConfigurationError

URL = "postgresql://ada@host/app"


def _hosts(urls: str) -> list[tuple[str, ...]]:
    return [target.hosts for target in DatabaseSettings(url=URL, replica_url=urls).replica_targets()]


@pytest.mark.parametrize(
    ("urls", "hosts"),
    [
        ("postgresql://ada@one/app", [("one",)]),
        ("postgresql://ada@one/app,postgres://ada@two/app", [("one",), ("two",)]),
        (" postgresql://ada@one/app ,\n postgresql://ada@two/app ", [("one",), ("two",)]),
        ("postgresql://ada@one,two/app,postgresql://ada@three/app", [("one", "two"), ("three",)]),
        ("", []),
        (" ", []),
    ],
)
def test_urls_are_separated_by_commas(urls: str, hosts: list[tuple[str, ...]]) -> None:
    """A URL may itself have several hosts."""
    assert _hosts(urls) == hosts


def test_a_wrong_url_is_named_by_its_variable() -> None:
    """As every setting is."""
    with pytest.raises(ConfigurationError, match="DATABASE_REPLICA_URL: it begins with mysql://"):
        _hosts("postgresql://ada@one/app,mysql://ada@two/app")


def test_the_replicas_of_the_environment_are_not_another_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL that is given as an argument names another database."""
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("DATABASE_REPLICA_URL", "postgresql://ada@one/app")
    assert DatabaseSettings().has_replicas
    assert DatabaseSettings(url=URL).has_replicas
    assert not DatabaseSettings(url="postgresql://ada@other/app").has_replicas


def test_a_pooler_that_is_declared_is_declared_for_the_replicas_too() -> None:
    """Neon's is known by its name."""
    pooled = "postgresql://ada@ep-a-b-123456-pooler.eu.aws.neon.tech/app"
    for pooler, expected in (("auto", [True, False]), ("transaction", [True, True]), ("none", [False, False])):
        settings = DatabaseSettings(url=URL, replica_url=f"{pooled},{URL}", pooler=pooler)
        assert [target.pooled for target in settings.replica_targets()] == expected
