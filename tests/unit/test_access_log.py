"""The line of each request is uvicorn's."""

import logging

import pytest
from pydantic import SecretStr
from uvicorn.config import LOGGING_CONFIG
from uvicorn.logging import AccessFormatter

from app.api import ApiSettings
from app.api.server import LimitedServer
from app.api.server.access import PlainAccessFormatter, logging_config

FORMAT = LOGGING_CONFIG["formatters"]["access"]["fmt"]


def _record(status: int, *, level: int = logging.INFO, path: str = "/tasks?limit=50") -> logging.LogRecord:
    values = ("127.0.0.1:40000", "GET", path, "1.1", status)
    return logging.LogRecord("uvicorn.access", level, "", 0, '%s - "%s %s HTTP/%s" %d', values, None)


@pytest.mark.parametrize("colours", [True, False])
@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING, logging.CRITICAL])
@pytest.mark.parametrize("status", [200, 404, 422, 503, 599])
def test_it_is_uvicorns_line(status: int, level: int, *, colours: bool) -> None:
    """Letter by letter, with and without colours, also for a status that has no name."""
    ours, theirs = (
        kind(FORMAT, use_colors=colours).format(_record(status, level=level))
        for kind in (PlainAccessFormatter, AccessFormatter)
    )
    assert ours == theirs
    assert ("\x1b" in ours) is colours


def test_only_the_access_log_is_another() -> None:
    """And uvicorn's own configuration stays as it is."""
    config = logging_config()
    assert config["formatters"]["access"].pop("()") is PlainAccessFormatter
    assert LOGGING_CONFIG["formatters"]["access"]["()"] == "uvicorn.logging.AccessFormatter"
    config["formatters"]["access"]["()"] = "uvicorn.logging.AccessFormatter"
    assert config == LOGGING_CONFIG


def test_the_server_writes_it() -> None:
    """Whatever command starts it."""
    settings = ApiSettings(
        jwt_secret=SecretStr("a secret for tests: 2f6d0c1b9ae84357"), jwt_issuer="x", jwt_audience="x"
    )
    config = LimitedServer(None, settings, grace_seconds=1).config.log_config
    assert isinstance(config, dict)
    assert config["formatters"]["access"]["()"] is PlainAccessFormatter
