"""Where settings come from: arguments before the environment, the environment before the file."""

from pathlib import Path

import pytest

from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from tests.support.canary import SECRET
from tests.support.collector import recorded_of

URL = "postgresql://ada:pw@host/app"


def test_a_missing_url_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says which variable to set and to what, and shows no other setting."""
    monkeypatch.setenv("DATABASE_DIRECT_URL", f"postgresql://ada:{SECRET}@host/app")
    with pytest.raises(ConfigurationError) as caught:
        DatabaseSettings()
    sentence = "Set DATABASE_URL, in the environment or in .env: postgresql://user:password@host/database"
    assert str(caught.value) == sentence
    assert SECRET not in recorded_of(caught.value)


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_url_that_hides_another_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, blank: str) -> None:
    """A blank variable may mean either the database in the file or none."""
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://file@host/app\n")
    monkeypatch.setenv("DATABASE_URL", blank)
    with pytest.raises(ConfigurationError) as caught:
        DatabaseSettings()
    assert str(caught.value) == (
        "DATABASE_URL: it is empty in the environment and set in .env; unset it, or give it a value"
    )
    monkeypatch.delenv("DATABASE_URL")
    assert DatabaseSettings().target().user == "file"


@pytest.mark.parametrize("place", ["environment", "file"])
def test_an_empty_variable_says_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str) -> None:
    """A compose file leaves it so: with `DATABASE_POOL_SIZE=` the default applies, and no URL is set."""
    names = [f"DATABASE_{name.upper()}" for name in DatabaseSettings.model_fields]
    if place == "file":
        (tmp_path / ".env").write_text("".join(f"{name}=\n" for name in names))
    for name in names if place == "environment" else []:
        monkeypatch.setenv(name, "")
    with pytest.raises(ConfigurationError, match="Set DATABASE_URL"):
        DatabaseSettings()
    assert DatabaseSettings(url=URL) == DatabaseSettings(url=URL, _env_file=None)


def test_a_blank_direct_url_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compose file that passes on an unset variable leaves it blank."""
    monkeypatch.setenv("DATABASE_DIRECT_URL", "")
    settings = DatabaseSettings(url="postgresql://ada@host-pooler/app")
    assert settings.direct_target().hosts == ("host",)


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`.env` is read, the environment overrides it, and an argument overrides both."""
    (tmp_path / ".env").write_text("DATABASE_URL='postgresql://file@host/app'\nDATABASE_POOL_SIZE=3\n")
    assert (DatabaseSettings().target().user, DatabaseSettings().pool_size) == ("file", 3)
    monkeypatch.setenv("DATABASE_URL", "postgresql://environment@host/app")
    assert DatabaseSettings().target().user == "environment"
    assert DatabaseSettings(url="postgresql://argument@host/app").target().user == "argument"


def test_the_parts_of_a_url_are_named_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the variables whose values belong in the URL."""
    monkeypatch.setenv("DATABASE_HOST", "host")
    monkeypatch.setenv("DATABASE_PASSWORD", SECRET)
    with pytest.raises(
        ConfigurationError, match=r"\(DATABASE_HOST, DATABASE_PASSWORD are not read: write one URL\)"
    ) as it:
        DatabaseSettings()
    assert SECRET not in recorded_of(it.value)


def test_two_spellings_of_one_variable_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower case is read too, and which of two spellings wins would be undefined."""
    monkeypatch.setenv("database_url", URL)
    assert DatabaseSettings().target().user == "ada"
    monkeypatch.setenv("DATABASE_URL", URL)
    assert DatabaseSettings().target().user == "ada"
    monkeypatch.setenv("DATABASE_URL", "postgresql://bob@host/app")
    with pytest.raises(ConfigurationError, match="are both set and differ; unset one of them"):
        DatabaseSettings()


def test_a_connect_timeout_that_the_deadline_would_end_is_noted() -> None:
    """The URL's timeout overrides the setting, but not the time that a call may take."""
    url = "postgresql://ada@host/app?connect_timeout=45"
    assert "DATABASE_RETRY_SECONDS" in DatabaseSettings(url=url).target().notes[0]
    assert not DatabaseSettings(url=url, retry_seconds=60).target().notes
    assert DatabaseSettings(url=url).connect_timeout_seconds == 20
