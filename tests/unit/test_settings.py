"""Where settings come from."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from tests.support.canary import SECRET, shown_by


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stand in an empty folder, without DATABASE_*."""
    for name in [name for name in os.environ if name.startswith("DATABASE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_a_missing_url_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which variable to set and to what, and carries no other setting."""
    monkeypatch.setenv("DATABASE_DIRECT_URL", f"postgresql://ada:{SECRET}@host/app")
    with pytest.raises(ValidationError, match=r"Set DATABASE_URL.*postgresql://user:password@host/database") as caught:
        DatabaseSettings()
    assert SECRET not in shown_by(caught.value) + repr(caught.value.errors())


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_url_is_no_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, blank: str) -> None:
    """Also where `.env` has one: who blanks the variable does not want the database that stands there."""
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://file@host/app\n")
    monkeypatch.setenv("DATABASE_URL", blank)
    with pytest.raises(ConfigurationError, match="DATABASE_URL: it is empty"):
        DatabaseSettings().target()


def test_a_blank_direct_url_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it comes out of a compose file in which nobody has set it."""
    monkeypatch.setenv("DATABASE_DIRECT_URL", "")
    settings = DatabaseSettings(url="postgresql://ada@host-pooler/app")
    assert settings.direct_target().hosts == ("host",)


def test_a_wrong_direct_url_is_named_by_its_own_variable() -> None:
    """Not as DATABASE_URL, in which nothing is wrong."""
    settings = DatabaseSettings(url="postgresql://ada@host/app", direct_url="mysql://ada@host/app")
    with pytest.raises(ConfigurationError, match=r"^DATABASE_DIRECT_URL: it begins with mysql"):
        settings.direct_target()


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`.env` is read, what is exported counts more, and an argument most."""
    (tmp_path / ".env").write_text("DATABASE_URL='postgresql://file@host/app'\nDATABASE_POOL_SIZE=3\n")
    assert (DatabaseSettings().target().user, DatabaseSettings().pool_size) == ("file", 3)
    monkeypatch.setenv("DATABASE_URL", "postgresql://environment@host/app")
    assert DatabaseSettings().target().user == "environment"
    assert DatabaseSettings(url="postgresql://argument@host/app").target().user == "argument"


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_value_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A pool of nothing is a mistake, found when the settings are made."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://ada:{SECRET}@host/app")
    monkeypatch.setenv("DATABASE_POOL_SIZE", value)
    with pytest.raises(ValidationError) as caught:
        DatabaseSettings()
    assert "pool_size" in str(caught.value)
    assert SECRET not in shown_by(caught.value)


def test_a_connect_timeout_that_the_deadline_would_end_is_noted() -> None:
    """The URL's wins over the setting, but not over the time that a call may take."""
    url = "postgresql://ada@host/app?connect_timeout=30"
    assert "DATABASE_RETRY_SECONDS" in DatabaseSettings(url=url).target().notes[0]
    assert not DatabaseSettings(url=url, retry_seconds=60).target().notes
    assert DatabaseSettings(url=url).connect_timeout_seconds == 15
