"""Where settings come from, and what the error says of a wrong variable or file."""

import codecs
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.target import unread
from tests.support.canary import SECRET
from tests.support.collector import recorded_of

URL = "postgresql://ada:pw@host/app"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in an empty folder, without DATABASE_*."""
    for name in [name for name in os.environ if name.startswith("DATABASE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


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


def test_a_wrong_direct_url_is_named_by_its_own_variable() -> None:
    """The error does not name DATABASE_URL, which is valid."""
    settings = DatabaseSettings(url="postgresql://ada@host/app", direct_url="mysql://ada@host/app")
    with pytest.raises(ConfigurationError, match=r"^DATABASE_DIRECT_URL: it begins with mysql"):
        settings.direct_target()


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`.env` is read, the environment overrides it, and an argument overrides both."""
    (tmp_path / ".env").write_text("DATABASE_URL='postgresql://file@host/app'\nDATABASE_POOL_SIZE=3\n")
    assert (DatabaseSettings().target().user, DatabaseSettings().pool_size) == ("file", 3)
    monkeypatch.setenv("DATABASE_URL", "postgresql://environment@host/app")
    assert DatabaseSettings().target().user == "environment"
    assert DatabaseSettings(url="postgresql://argument@host/app").target().user == "argument"


WRONG_VALUES = {
    "DATABASE_POOL_SIZE": ["0", "-1", "many", "1.5", "9" * 5000],
    "DATABASE_RETRY_SECONDS": ["0", "soon", "nan", "inf", "1e300"],
    "DATABASE_POOLER": ["maybe"],
    "DATABASE_ECHO": ["perhaps"],
    "DATABASE_APPLICATION_NAME": ["x" * 64],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG_VALUES for value in WRONG_VALUES[name]])
@pytest.mark.parametrize("file", [None, ".env", "other.env"])
def test_a_value_that_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, file: str | None
) -> None:
    """The sentence begins with the variable and the file, and shows no value."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://ada:{SECRET}@host/app")
    if file:
        (tmp_path / file).write_text(f"{name}={value}\n")
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        DatabaseSettings(_env_file=file if file == "other.env" else ".env")
    label = f"{name} in {file}" if file else name
    assert re.fullmatch(rf"{label}: (it must|Unable to) [^\n\[]+", str(caught.value))
    assert value == "0" or value not in str(caught.value)
    assert SECRET not in recorded_of(caught.value)


def test_a_wrong_argument_is_named_without_showing_the_others() -> None:
    """The error has its name, and for a misspelt one the right name."""
    for wrong, words in (
        ({"pool_size": 0}, "pool_size: it must be greater than 0"),
        ({"pool_szie": 3}, "pool_szie is not a setting; is pool_size meant?"),
        ({"colour": 3}, "colour is not a setting; remove it"),
        ({"direct_url": 7}, "direct_url: it must be a valid string"),
        ({"application_name": "a\0b"}, "application_name: "),
    ):
        arguments: Any = {"url": f"postgresql://ada:{SECRET}@host/app", **wrong}
        with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
            DatabaseSettings(**arguments)
        assert SECRET not in recorded_of(caught.value)


def test_a_url_that_is_wrong_is_named_with_its_file(tmp_path: Path) -> None:
    """The same holds for DATABASE_DIRECT_URL; no frame keeps the text of either."""
    (tmp_path / ".env").write_text(
        f"DATABASE_URL=mysql://ada:{SECRET}@host/app\nDATABASE_DIRECT_URL=postgresql://ada:{SECRET}@host\n"
    )
    for call, words in (
        (DatabaseSettings().target, "DATABASE_URL in .env: it begins with mysql://"),
        (DatabaseSettings().direct_target, "DATABASE_DIRECT_URL in .env: it names no database"),
    ):
        with pytest.raises(ConfigurationError, match=f"^{words}") as caught:
            call()
        assert SECRET not in recorded_of(caught.value)


MISTAKEN = {
    "DATABASE_POOLSIZE": "is DATABASE_POOL_SIZE meant?",
    "DATABASE_POOL_SIZ": "is DATABASE_POOL_SIZE meant?",
    "DATABASE_POOL_TIMEOUT": "is DATABASE_POOL_TIMEOUT_SECONDS meant?",
    "DATABASE_COMMAND_TIMEOUT": "is DATABASE_COMMAND_TIMEOUT_SECONDS meant?",
    "DATABASE_DIRECTURL": "is DATABASE_DIRECT_URL meant?",
    "database_direct_urls": "is DATABASE_DIRECT_URL meant?",
    "DATABASE_MAX_OVERFLOW": "never grows beyond DATABASE_POOL_SIZE",
    "DATABASE_SSL": "write sslmode=... into DATABASE_URL",
    "DATABASE_PGBOUNCER": "write DATABASE_POOLER=transaction",
}


@pytest.mark.parametrize("name", MISTAKEN)
@pytest.mark.parametrize("file", [None, ".env"])
def test_what_looks_like_a_setting_and_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, file: str | None
) -> None:
    """Otherwise it would be ignored; the sentence names the right variable."""
    if file:
        (tmp_path / file).write_text(f"{name}=1\n")
    else:
        monkeypatch.setenv(name, "1")
    label = f"{name} in {file}" if file else name
    with pytest.raises(ConfigurationError, match=f"^{label} is not a setting; .*{re.escape(MISTAKEN[name])}"):
        DatabaseSettings(url=URL)


def test_every_advice_names_settings_that_there_are() -> None:
    """Each DATABASE_* in it is accepted with the value that it shows."""
    for words in unread._ELSEWHERE.values():  # the table is not public
        for name, value in re.findall(r"DATABASE_([A-Z_]+)(?:=(\w+))?", words):
            assert name.lower() in DatabaseSettings.model_fields, words
            DatabaseSettings(**{"url": URL, **({name.lower(): value} if value else {})})


def test_what_is_unknown_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Variables of other tools are ignored; others give a note on the target, which is logged once."""
    (tmp_path / ".env").write_text("DATABASE_COLOUR=blue\nOTHER=1\n")
    for name, value in {
        "DATABASE_PUBLIC_URL": URL,
        "DATABASE_URL_UNPOOLED": URL,
        "DATABASE_PORT": "tcp://10.0.0.1:5432",
        "DATABASE_PORT_5432_TCP_ADDR": "10.0.0.1",
        "DATABASE_SERVICE_HOST": "10.0.0.1",
        "DATABASE_HOST": "host",
        "TEST_DATABASE_URL": URL,
    }.items():
        monkeypatch.setenv(name, value)
    assert DatabaseSettings(url=URL).target().notes == ("DATABASE_COLOUR in .env is not a setting: it is not read",)


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


LINES = f"# the database\nexport DATABASE_URL='{URL}'\n\nDATABASE_POOL_SIZE = 3  # small\nexport DATABASE_POOL_SIZE\n"


@pytest.mark.parametrize(
    "content",
    [
        LINES.encode(),
        LINES.replace("\n", "\r\n").encode(),
        LINES.replace("\n", "\r").encode(),
        LINES.strip().encode(),
        codecs.BOM_UTF8 + LINES.encode(),
        codecs.BOM_UTF16_LE + LINES.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + LINES.encode("utf-16-be"),
        LINES.replace("'", '"').encode(),
        LINES.replace("'", "").encode(),
        LINES.replace("=", " = ").encode(),
        LINES.replace("ada:pw", "${WHO}:${PW:-pw}").encode() + b"",
    ],
    ids=["plain", "crlf", "cr", "no end", "bom", "utf-16", "utf-16be", "double", "bare", "spaces", "references"],
)
def test_files_of_other_systems_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    """They are read as PowerShell, Notepad, vim and shells write them."""
    monkeypatch.setenv("WHO", "ada")
    (tmp_path / ".env").write_bytes(content)
    assert (DatabaseSettings().url.get_secret_value(), DatabaseSettings().pool_size) == (URL, 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"DATABASE_URL={URL}".encode("utf-16-le"), ".env is not UTF-8"),
        (b"DATABASE_URL=postgresql://ada:\xe9" + SECRET.encode() + b"@host/app", ".env is not UTF-8"),
        (
            f"X=1\n\nset DATABASE_URL={SECRET}".encode(),
            "line 3 of .env does not set DATABASE_URL; write DATABASE_URL=...",
        ),
        (f"$env:DATABASE_URL = '{SECRET}'".encode(), "line 1 of .env does not set DATABASE_URL"),
        (f"DATABASE_URL: {SECRET}".encode(), "line 1 of .env does not set DATABASE_URL"),
        (f'"DATABASE_URL" = "{SECRET}"'.encode(), "line 1 of .env does not set DATABASE_URL"),
        (f"DATABASE_URL='{SECRET}".encode(), "line 1 of .env does not set DATABASE_URL"),
        (f"DATABASE_URL='{SECRET}' {SECRET}".encode(), "line 1 of .env does not set DATABASE_URL"),
        (f"declare -x DATABASE_POOL_SIZE={SECRET}".encode(), "line 1 of .env does not set DATABASE_POOL_SIZE"),
        (f"\u200bDATABASE_URL={SECRET}".encode(), "line 1 of .env does not set DATABASE_URL"),
        (
            f"DATABASE_URL=postgresql://${{DB_USER}}:{SECRET}@host/app".encode(),
            "DATABASE_URL in .env: ${DB_USER} is not set; set DB_USER, or write its value there",
        ),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    """The error gives the line and the variable, if any, and shows no content."""
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
        DatabaseSettings()
    assert SECRET not in recorded_of(caught.value)


def test_a_file_that_cannot_be_opened_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file is another user's; a folder of that name (a virtual environment) is not a settings file."""
    (tmp_path / ".env").mkdir()
    with pytest.raises(ConfigurationError, match="Set DATABASE_URL"):
        DatabaseSettings()
    (tmp_path / "loop.env").symlink_to(tmp_path / "loop.env")

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "other.env").touch()
    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read everything
    with pytest.raises(ConfigurationError, match=r"^other\.env cannot be read: Permission denied$"):
        DatabaseSettings(_env_file="other.env")


_NAMES = st.sampled_from([f"DATABASE_{name.upper()}" for name in DatabaseSettings.model_fields]) | st.text(max_size=12)
_VALUES = st.text(max_size=30).map(lambda text: f"{SECRET}{text}") | st.sampled_from(["", " ", "1", "true", URL])
_LINES = st.tuples(_NAMES, st.sampled_from(["=", " = ", ":", "", "='", '="', "=${"]), _VALUES).map("".join)
_ENDS = st.sampled_from(["\n", "\r\n", "\r", "\0"])
_ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"])


@contextmanager
def checked() -> Iterator[None]:
    """Pass a `ConfigurationError` on if it is one sentence without a value."""
    try:
        yield
    except ConfigurationError as error:
        recorded, words = recorded_of(error), str(error)
        if SECRET in recorded or "\n" in words or "pydantic" in words:
            raise AssertionError(words) from None
        raise


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(lines=st.lists(_LINES, max_size=4), end=_ENDS, encoding=_ENCODINGS, url=st.none() | st.just(URL))
def test_any_file_is_read_or_refused(
    tmp_path: Path, lines: list[str], end: str, encoding: str, url: str | None
) -> None:
    """The only error is a `ConfigurationError` of one sentence that shows no value, also for the target."""
    (tmp_path / ".env").write_bytes(end.join(lines).encode(encoding, "replace"))
    arguments: Any = {} if url is None else {"url": url}
    with suppress(ConfigurationError), checked():
        DatabaseSettings(**arguments).direct_target()


def test_a_connect_timeout_that_the_deadline_would_end_is_noted() -> None:
    """The URL's timeout overrides the setting, but not the time that a call may take."""
    url = "postgresql://ada@host/app?connect_timeout=45"
    assert "DATABASE_RETRY_SECONDS" in DatabaseSettings(url=url).target().notes[0]
    assert not DatabaseSettings(url=url, retry_seconds=60).target().notes
    assert DatabaseSettings(url=url).connect_timeout_seconds == 20
