"""The API on one's own machine."""

import asyncio
import signal
import socket
from contextlib import suppress
from importlib.util import find_spec
from typing import Final

from rich.console import Console

from app.db import DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.migrations import upgrade

_NEEDED: Final = ("fastapi", "httptools", "jwt", "uvicorn")
_GRACE_SECONDS: Final = 10


def serve(database: DatabaseSettings, console: Console, *, host: str, port: int) -> None:
    """Migrate, and serve until Ctrl-C or SIGTERM; port 0 is any that is free. Raises a `DataAccessError`."""
    _require_the_extra()
    import uvicorn  # noqa: PLC0415 - the other commands work without the extra

    from app.api.dev import create_dev_app  # noqa: PLC0415 - likewise

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn raises it again once all is in order
    with _listening(host, port) as listener:
        asyncio.run(upgrade(database))
        place = f"http://{_shown(host)}:{listener.getsockname()[1]}"
        console.print(f"the API: [bold]{place}/docs[/], until Ctrl-C")
        console.print(f"a token: [bold]curl '{place}/dev/token?user_id=ada'[/]", soft_wrap=True)
        config = uvicorn.Config(
            create_dev_app(database=database), log_level="warning", timeout_graceful_shutdown=_GRACE_SECONDS
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _require_the_extra() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"{', '.join(missing)} cannot be imported: serving needs the extra `api`; from a checkout: "
            "pip install --no-deps --require-hashes -r requirements/run.txt"
        )


def _listening(host: str, port: int) -> socket.socket:
    """Take the port before anything is started in vain, and with an error in words."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {_shown(host)}:{port}: {error.strerror}; try another --port"
        ) from None


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
