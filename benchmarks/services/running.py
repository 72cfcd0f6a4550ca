"""A service in a process of its own."""

import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import jwt

from benchmarks.contenders import OURS
from benchmarks.processes import processor_seconds
from benchmarks.services.constant import ANSWERS
from benchmarks.services.requests import ASKS, Ask
from benchmarks.services.rows import Place
from tests.support.ending import end_with_parent

PLAIN: Final = "FastAPI and an asyncpg pool"
SESSION: Final = "FastAPI and a SQLModel session"
CONSTANT: Final = "a constant answer"
_MODULES: Final = {
    OURS: ("app.api", "--fd"),
    PLAIN: ("benchmarks.services.asyncpg_pool",),
    SESSION: ("benchmarks.services.sqlmodel_session",),
    CONSTANT: ("benchmarks.services.constant",),
}
SERVICES: Final = tuple(_MODULES)
_ISSUER, _AUDIENCE, _SECRET = "https://issuer.test", "benchmarks", secrets.token_urlsafe(48)
_TIMEOUT_SECONDS: Final = 30.0


class Service:
    """A running service."""

    def __init__(self, pid: int, port: int, place: Place) -> None:
        self._pid = pid
        self.port = port
        self.place = place

    def encoded(self, ask: Ask, conversation: int) -> bytes:
        """Return the request as it is sent to this service."""
        return ask.encoded(self._token(ask), conversation)

    def answer(self, ask: Ask) -> dict[str, Any]:
        """Send one request and return its answer, with what the constant service must know of it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_SECONDS)
        headers = {"Authorization": f"Bearer {self._token(ask)}", "Content-Type": "application/json"}
        path = ask.path.format(self.place.conversations[0])
        connection.request(ask.method, path, ask.body, headers)
        with connection.getresponse() as response:
            text, media_type = response.read().decode(), response.headers["Content-Type"]
        connection.close()
        if response.status != ask.status:
            raise RuntimeError(f"{response.status}: {text}")
        return {
            "method": ask.method,
            "path": ask.path,
            "status": response.status,
            "media_type": media_type,
            "text": text,
        }

    def processor_seconds(self) -> float:
        """Return the processor time that the server has used."""
        return processor_seconds(self._pid)

    def _token(self, ask: Ask) -> str:
        user_id = self.place.writer if ask.writes else self.place.reader
        claims = {"sub": user_id, "iss": _ISSUER, "aud": _AUDIENCE, "exp": int(time.time()) + 3600}
        return jwt.encode(claims, _SECRET, algorithm="HS256")


@contextmanager
def services(url: str, places: Mapping[str, Place]) -> Iterator[dict[str, Service]]:
    """Run every service; the constant one gives the answers that ours has given."""
    with ExitStack() as stack:
        ours = stack.enter_context(_running(OURS, url, places[OURS]))
        file = stack.enter_context(_file([ours.answer(ask) for ask in ASKS]))
        found = {OURS: ours}
        for name in SERVICES[1:]:
            found[name] = stack.enter_context(_running(name, url, places[name], **{ANSWERS: str(file)}))
        for name in SERVICES[1:]:
            for ask in ASKS:
                found[name].answer(ask)  # it has started when it answers
        yield found


@contextmanager
def _file(answers: list[dict[str, Any]]) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "answers.json"
        file.write_text(json.dumps(answers))
        yield file


@contextmanager
def _running(name: str, url: str, place: Place, **environment: str) -> Iterator[Service]:
    """Run one service until the block ends, or this process does."""
    environment |= {
        "DATABASE_URL": url,
        "API_JWT_SECRET": _SECRET,
        "API_JWT_ISSUER": _ISSUER,
        "API_JWT_AUDIENCE": _AUDIENCE,
    }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [sys.executable, "-m", *_MODULES[name], str(listener.fileno())],
            env=os.environ | environment,
            pass_fds=[listener.fileno()],
            preexec_fn=end_with_parent,  # noqa: PLW1509 - it is loaded, and calls the kernel only
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port = listener.getsockname()[1]
    try:
        yield Service(process.pid, port, place)
    finally:
        process.terminate()
        process.wait()
