"""Serve the API: ``python -m app.api``, configured by ``API_*`` and ``DATABASE_*``."""

import socket
import sys
from argparse import ArgumentParser
from contextlib import suppress
from typing import Final

from uvicorn.importer import ImportFromStringError, import_from_string

from app.api import ApiSettings
from app.api.server import LimitedServer
from app.db import DatabaseSettings
from app.db.errors import ConfigurationError

_OURS: Final = "app.api:create_app"
_WRONG_SETTINGS: Final = 2
_NOT_STARTED: Final = 3


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C, and return the exit status: 2 for wrong settings, 3 if it could not start."""
    options = vars(_parser().parse_args(arguments))
    try:
        settings = ApiSettings()
        DatabaseSettings().target()  # an unusable URL is one sentence here, and a traceback in the lifespan
        app = import_from_string(options.pop("factory"))()
        sockets = _listening(options.pop("fd"))
    except (ConfigurationError, ImportFromStringError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - nothing is logged yet
        return _WRONG_SETTINGS
    server = LimitedServer(app, settings, **options)
    with suppress(KeyboardInterrupt):
        server.run(sockets)
    return 0 if server.started else _NOT_STARTED


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m app.api", description=__doc__)
    parser.add_argument(
        "factory", nargs="?", default=_OURS, help="module:function that returns the application (default: %(default)s)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="0 is any that is free (default: %(default)s)")
    parser.add_argument("--fd", type=int, help="a socket that listens already, in place of host and port")
    parser.add_argument(
        "--grace-seconds", type=int, default=5, help="how long open requests may take at the end (default: %(default)s)"
    )
    return parser


def _listening(descriptor: int | None) -> list[socket.socket] | None:
    """Return the socket of a descriptor; raises `ConfigurationError`.

    Given the number, uvicorn takes it for a Unix socket, and each answer waits 40 ms for the client's acknowledgement.
    """
    if descriptor is None:
        return None
    try:
        return [socket.socket(fileno=descriptor)]
    except OSError as error:
        raise ConfigurationError(f"--fd {descriptor} is not an open socket: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
