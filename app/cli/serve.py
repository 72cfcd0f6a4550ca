"""Serve the API for development, on this machine only."""

import asyncio
import errno
import signal
import socket
from contextlib import suppress
from typing import Final

from rich.console import Console

from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.migrations import upgrade

_GRACE_SECONDS: Final = 10


def serve(database: DatabaseSettings, console: Console, *, host: str, port: int) -> None:
    """Migrate, and serve until Ctrl-C or SIGTERM; port 0 is any free port. Raises a `DataAccessError`."""
    from app.api.dev import create_dev_app, dev_settings  # noqa: PLC0415 - the other commands work without the extra
    from app.api.server import LimitedServer  # noqa: PLC0415 - likewise

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn raises it again after its shutdown
    with _listening(host, port) as listener:
        asyncio.run(upgrade(database))
        place = f"http://{_shown(host)}:{listener.getsockname()[1]}"
        console.print(f"the API: [bold]{place}/docs[/], until Ctrl-C")
        console.print(f"a token: [bold]curl '{place}/dev/token?user_id=ada'[/]", soft_wrap=True)
        settings = dev_settings()
        app = create_dev_app(settings, database=database)
        with suppress(KeyboardInterrupt):
            LimitedServer(app, settings, grace_seconds=_GRACE_SECONDS, log_level="warning").run([listener])


def _listening(host: str, port: int) -> socket.socket:
    """Open the port first: if it is taken, nothing else starts."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        option = "--port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "--host"
        reason = str(error.strerror).partition(" (while attempting")[0]
        raise ConfigurationError(f"cannot listen on {_shown(host)}:{port}: {reason}; try another {option}") from None


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
