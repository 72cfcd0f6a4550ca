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
