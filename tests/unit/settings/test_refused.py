"""A wrong setting is named with its variable and its file, and no value is shown."""

import re
from pathlib import Path
from typing import Any

import pytest

from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from tests.api.support import api_settings
from tests.support.canary import SECRET
from tests.support.collector import recorded_of

URL = "postgresql://ada:pw@host/app"


def test_a_wrong_direct_url_is_named_by_its_own_variable() -> None:
    """The error does not name DATABASE_URL, which is valid."""
    settings = DatabaseSettings(url="postgresql://ada@host/app", direct_url="mysql://ada@host/app")
    with pytest.raises(ConfigurationError, match=r"^DATABASE_DIRECT_URL: it begins with mysql"):
        settings.direct_target()


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
        ({"pool_szie": 3}, "pool_szie is not a setting; did you mean pool_size?"),
        ({"colour": 3}, "colour is not a setting; remove it"),
        ({"direct_url": 7}, "direct_url: it must be a valid string"),
        ({"application_name": "a\0b"}, "application_name: "),
    ):
        arguments: Any = {"url": f"postgresql://ada:{SECRET}@host/app", **wrong}
        with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
            DatabaseSettings(**arguments)
        assert SECRET not in recorded_of(caught.value)


def test_a_url_that_is_wrong_is_named_with_its_file(tmp_path: Path) -> None:
    """The same holds for the direct URL and those of replicas; no frame keeps the text of any."""
    (tmp_path / ".env").write_text(
        f"DATABASE_URL=mysql://ada:{SECRET}@host/app\nDATABASE_DIRECT_URL=postgresql://ada:{SECRET}@host\n"
        f"DATABASE_REPLICA_URL=postgresql://ada:{SECRET}@one/app,mysql://ada:{SECRET}@two/app\n"
    )
    for call, words in (
        (DatabaseSettings().target, "DATABASE_URL in .env: it begins with mysql://"),
        (DatabaseSettings().direct_target, "DATABASE_DIRECT_URL in .env: it names no database"),
        (DatabaseSettings().replica_targets, "DATABASE_REPLICA_URL in .env: it begins with mysql://"),
    ):
        with pytest.raises(ConfigurationError, match=f"^{words}") as caught:
            call()
        assert SECRET not in recorded_of(caught.value)


MISTAKEN = {
    "DATABASE_POOLSIZE": "did you mean DATABASE_POOL_SIZE?",
    "DATABASE_POOL_SIZ": "did you mean DATABASE_POOL_SIZE?",
    "DATABASE_POOL_TIMEOUT": "did you mean DATABASE_POOL_TIMEOUT_SECONDS?",
    "DATABASE_COMMAND_TIMEOUT": "did you mean DATABASE_COMMAND_TIMEOUT_SECONDS?",
    "DATABASE_DIRECTURL": "did you mean DATABASE_DIRECT_URL?",
    "database_direct_urls": "did you mean DATABASE_DIRECT_URL?",
    "DATABASE_ULR": "did you mean DATABASE_URL?",
    "DATABASE_DRIECT_URL": "did you mean DATABASE_DIRECT_URL?",
    "DATABASE_MIN_POOL_SIZE": "did you mean DATABASE_POOL_MIN_SIZE?",
    "DATABASE_STATEMENT_TIMEOUT_MS": "did you mean DATABASE_STATEMENT_TIMEOUT_SECONDS?",
    "DATABASE_MAX_OVERFLOW": "write the sum into DATABASE_POOL_SIZE",
    "DATABASE_MAXOVERFLOW": "write the sum into DATABASE_POOL_SIZE",
    "DATABASE_SSL": "write sslmode=... into DATABASE_URL",
    "DATABASE_CA_CERT": "write sslmode=... into DATABASE_URL, and sslrootcert",
    "DATABASE_SSL_REJECT_UNAUTHORIZED": "write sslmode=require or sslmode=verify-full into DATABASE_URL",
    "DATABASE_PG_BOUNCER": "write DATABASE_POOLER=transaction",
    "DATABASE_STATEMENT_CACHE_SIZE": "behind a transaction pooler write DATABASE_POOLER=transaction",
    "DATABASE_CONN_MAX_AGE": "write DATABASE_POOL_RECYCLE_SECONDS",
    "DATABASE_TIMEOUT": "write connect_timeout, in seconds, into DATABASE_URL",
    "DATABASE_SEARCH_PATH": "write search_path=name into DATABASE_URL",
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


def test_a_misspelt_variable_of_the_service_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the origins of pages would be ignored; variables of other programs are left alone."""
    monkeypatch.setenv("API_KEY", "of another program")
    assert api_settings().cors_origins == ()
    for name, right in {"API_CORS_ORIGIN": "API_CORS_ORIGINS", "API_DOC": "API_DOCS"}.items():
        with monkeypatch.context() as patch:
            patch.setenv(name, "x")
            with pytest.raises(ConfigurationError, match=f"^{name} is not a setting; did you mean {right}\\?$"):
                api_settings()


def test_what_is_unknown_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Variables of other tools are ignored; others give a note on the target, which is logged once."""
    (tmp_path / ".env").write_text("DATABASE_COLOUR=blue\nOTHER=1\n")
    for name, value in {
        "DATABASE_PUBLIC_URL": URL,
        "DATABASE_URL_UNPOOLED": URL,
        "DATABASE_URL_DIRECT": URL,
        "DATABASE_CONNECTION_POOL_URL": URL,
        "DATABASE_CONNECTION_STRING": URL,
        "DATABASE_PORT": "tcp://10.0.0.1:5432",
        "DATABASE_PORT_5432_TCP_ADDR": "10.0.0.1",
        "DATABASE_SERVICE_HOST": "10.0.0.1",
        "DATABASE_HOST": "host",
        "TEST_DATABASE_URL": URL,
    }.items():
        monkeypatch.setenv(name, value)
    assert DatabaseSettings(url=URL).target().notes == ("DATABASE_COLOUR in .env is not a setting and is ignored",)
