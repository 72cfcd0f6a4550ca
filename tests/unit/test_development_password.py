"""The public development password is accepted only for this machine."""

from typing import Any

import pytest

from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.target.development import DEVELOPMENT_PASSWORD

HERE = ("localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "[::1]", "localhost:5433", "")
ELSEWHERE = ("postgres", "10.0.0.7", "[2001:db8::1]", "db.example.com", "localhost.example.com", "localhost,10.0.0.7")


@pytest.mark.parametrize("host", HERE)
def test_it_works_on_this_machine(host: str) -> None:
    """The machine may have any of its names, or be reached through a socket."""
    query = "" if host else "?host=/var/run/postgresql"
    target = DatabaseSettings(url=f"postgresql://app:{DEVELOPMENT_PASSWORD}@{host}/app{query}").target()
    assert target.password == DEVELOPMENT_PASSWORD


@pytest.mark.parametrize("host", ELSEWHERE)
@pytest.mark.parametrize("setting", ["url", "direct_url"])
def test_it_is_refused_elsewhere(host: str, setting: str) -> None:
    """It is refused if any of several hosts is another machine, and for migrations, too."""
    urls: dict[str, Any] = {
        "url": "postgresql://app:x@localhost/app",
        setting: f"postgresql://app:{DEVELOPMENT_PASSWORD}@{host}/app",
    }
    with pytest.raises(ConfigurationError, match="which everybody knows") as caught:
        DatabaseSettings(**urls).direct_target()
    assert DEVELOPMENT_PASSWORD not in str(caught.value)
