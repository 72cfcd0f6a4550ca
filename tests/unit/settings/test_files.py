"""The settings file is read as other systems write it, and what is wrong in it is named."""

import codecs
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
from tests.support.canary import SECRET
from tests.support.collector import recorded_of

URL = "postgresql://ada:pw@host/app"

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
        LINES.replace("'", "`").encode(),
        LINES.replace("=", " = ").encode(),
        LINES.replace("ada:pw", "${WHO}:${PW:-pw}").encode() + b"",
    ],
    ids=[
        "plain",
        "crlf",
        "cr",
        "no end",
        "bom",
        "utf-16",
        "utf-16be",
        "double",
        "bare",
        "backticks",
        "spaces",
        "references",
    ],
)
def test_files_of_other_systems_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    """They are read as PowerShell, Notepad, vim and shells write them."""
    monkeypatch.setenv("WHO", "ada")
    (tmp_path / ".env").write_bytes(content)
    assert (str(DatabaseSettings().target()), DatabaseSettings().pool_size) == ("ada@host:5432/app", 3)


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
        (f"DATABASE\u200b_URL={SECRET}".encode(), "line 1 of .env does not set DATABASE_URL"),
        (f"DATABASE_URL\n{SECRET}".encode(), "line 1 of .env does not set DATABASE_URL"),
        (
            f'\nOTHER="x\nDATABASE_URL="{SECRET}"'.encode(),
            "DATABASE_URL in .env is inside the quotes that line 2 opens; close them there",
        ),
        (
            f"X=1\n<<<<<<< HEAD\nDATABASE_URL={SECRET}\n=======\nDATABASE_URL=x\n>>>>>>> b".encode(),
            "line 2 of .env is of a merge conflict; resolve it",
        ),
        (
            f"DATABASE_URL=postgresql://ada:${{PW}}@host/app\nPW={SECRET}".encode(),
            "DATABASE_URL in .env: ${PW} is not set; move PW above it, or write its value there",
        ),
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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=st.lists(_LINES, max_size=4), end=_ENDS, encoding=_ENCODINGS, url=st.none() | st.just(URL))
def test_any_file_is_read_or_refused(
    tmp_path: Path, lines: list[str], end: str, encoding: str, url: str | None
) -> None:
    """The only error is a `ConfigurationError` of one sentence that shows no value, also for the target."""
    (tmp_path / ".env").write_bytes(end.join(lines).encode(encoding, "replace"))
    arguments: Any = {} if url is None else {"url": url}
    with suppress(ConfigurationError), checked():
        DatabaseSettings(**arguments).direct_target()
