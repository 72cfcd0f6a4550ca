"""The server that every command starts."""

import logging
from contextlib import suppress
from typing import Any, Final

import uvicorn

from app.api.gate.head import MAX_HEADER_BYTES
from app.api.server.access import logging_config
from app.api.server.protocol import LimitedConfig, LimitedProtocol, Limits
from app.api.settings import ApiSettings

_log = logging.getLogger(__name__)
_BACKLOG: Final = 128
_OTHER_DESCRIPTORS: Final = 64  # the database's connections, files, the event loop's own
_MIN_CONNECTIONS: Final = 8


class LimitedServer(uvicorn.Server):
    """uvicorn with h11, which refuses every ambiguity of HTTP/1.1, and `LimitedProtocol`."""

    def __init__(self, app: Any, settings: ApiSettings, *, grace_seconds: int, **options: Any) -> None:
        config = LimitedConfig(
            app,
            http=LimitedProtocol,
            log_config=logging_config(),
            ws="none",
            lifespan="on",
            server_header=False,
            proxy_headers=False,  # nothing here depends on the client's address
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=grace_seconds,
            **options,
        )
        config.limits = Limits(
            connections=_affordable(settings.max_connections),
            head_seconds=settings.head_timeout_seconds,
            body_seconds=settings.body_timeout_seconds + 1,  # first the gate answers 408
            write_seconds=settings.write_timeout_seconds,
        )
        super().__init__(config)


def _affordable(connections: int) -> int:
    """Return how many connections there are descriptors for, at most `connections`.

    Without a free descriptor nothing can be accepted, not even to be closed: then one stranger can shut the service.
    """
    available = _descriptors(connections + _BACKLOG + _OTHER_DESCRIPTORS)
    if available >= connections + _BACKLOG + _OTHER_DESCRIPTORS:
        return connections
    affordable = max(_MIN_CONNECTIONS, available - _BACKLOG - _OTHER_DESCRIPTORS, (available - _OTHER_DESCRIPTORS) // 2)
    _log.warning(
        "API_MAX_CONNECTIONS is %d, and the process may open %d files: %d connections are kept (see ulimit -n)",
        *(connections, available, affordable),
    )
    return affordable


def _descriptors(wanted: int) -> int:
    """Return how many files the process may open, after asking the system for `wanted`."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft < 0 else soft
