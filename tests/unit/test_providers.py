"""The table of providers in docs/connect.md shows how the layer reads their strings."""

import re
from pathlib import Path

import pytest

from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from tests.support.providers import PROVIDERS, Provider, filled_in, table, target_of

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "connect.md").read_text()
IDS = [each.name for each in PROVIDERS]


@pytest.fixture(autouse=True)
def in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in a folder without `.env`."""
    monkeypatch.chdir(tmp_path)


def test_the_page_shows_the_table() -> None:
    """To renew it, paste what `python -m tests.support.providers` prints."""
    shown = re.search(r"<!-- providers: begin.*?-->\n(.*?)\n<!-- providers: end -->", PAGE, re.DOTALL)
    assert shown
    assert shown[1] == table()


@pytest.mark.parametrize("provider", PROVIDERS, ids=IDS)
def test_what_a_console_shows_is_understood(provider: Provider) -> None:
    """It works unchanged with the password filled in, or is refused and the table's replacement works."""
    if provider.instead:
        with pytest.raises(ConfigurationError):
            target_of(provider.shown)
    target = target_of(provider.instead or provider.shown)
    assert target.user
    assert target.password or target.is_socket or "localhost" in target.hosts
    assert all(not note for note in target.notes if "channel_binding" not in note)


@pytest.mark.parametrize(
    "provider", [each for each in PROVIDERS if filled_in(each.shown) != each.shown], ids=lambda each: each.name
)
def test_a_placeholder_is_refused_as_one(provider: Provider) -> None:
    """It is refused before anything is sent: the server would only say that the password is wrong."""
    with pytest.raises(ConfigurationError, match=r"its password is a placeholder .*; write the password instead"):
        DatabaseSettings(url=provider.shown).target()


def test_the_sockets_of_the_page_are_the_same() -> None:
    """The page's block of URLs says that they are."""
    urls = re.findall(r"^postgresql://ada@.*$", PAGE, flags=re.MULTILINE)
    assert len(urls) == 5
    assert len({target_of(url).hosts for url in urls}) == 1
    assert not any(target_of(url).notes for url in urls)


@pytest.mark.parametrize("parameter", re.findall(r"`(\w+=[\w.-]+)`", PAGE.partition("### Parameters of other")[2]))
def test_the_parameters_of_the_page_are_understood(parameter: str) -> None:
    """The test takes each one that the tables show with a value, except settings of the environment."""
    if not parameter.startswith("DATABASE_"):
        target_of(f"postgresql://ada:pw@host/app?{parameter}")
