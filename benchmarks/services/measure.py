"""What `GET /tasks?limit=50` costs the server's processor, with this layer and without."""

import http.client
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

import jwt
import psutil

from benchmarks.contenders import OURS

PLAIN: Final = "FastAPI and an asyncpg pool"
_MODULES: Final = {OURS: ("app.api", "--fd"), PLAIN: ("benchmarks.services.asyncpg_pool",)}
_BURST: Final = 20
_WARM_UP: Final = 10
_ISSUER, _AUDIENCE, _SECRET = "https://issuer.test", "benchmarks", secrets.token_urlsafe(48)
_START_SECONDS: Final = 30.0


class Service:
    """A running service and one connection to it."""

    def __init__(self, process: psutil.Process, port: int, user_id: str) -> None:
        self._process = process
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
        claims = {"sub": user_id, "iss": _ISSUER, "aud": _AUDIENCE, "exp": time.time() + 3600}
        self._headers = {"Authorization": f"Bearer {jwt.encode(claims, _SECRET, algorithm='HS256')}"}

    def get(self) -> bytes:
        """Request a page of 50 tasks and return its body."""
        self._connection.request("GET", "/tasks?limit=50", headers=self._headers)
        with self._connection.getresponse() as response:
            body = response.read()
            if response.status != http.client.OK:
                raise RuntimeError(f"{response.status}: {body.decode()}")
            return body

    def processor_seconds(self) -> float:
        """Return the processor time that the server has used."""
        used = self._process.cpu_times()
        return float(used.user + used.system)


def service_seconds(url: str, user_id: str, *, rounds: int, requests: int) -> dict[str, list[float]]:
    """Return each service's processor time per request, in seconds, in each round of so many requests.

    Both run in one process with uvloop and h11, verify the same token, and log each request. Within a round they take
    turns of 20 requests.
    """
    with ExitStack() as stack:
        services = {name: stack.enter_context(_running(name, url, user_id)) for name in _MODULES}
        _take_turns(services, bursts=_WARM_UP)
        found: dict[str, list[float]] = {name: [] for name in services}
        for _ in range(rounds):
            before = {name: service.processor_seconds() for name, service in services.items()}
            _take_turns(services, bursts=requests // _BURST)
            for name, service in services.items():
                found[name].append((service.processor_seconds() - before[name]) / requests)
        return found


def _take_turns(services: Mapping[str, Service], *, bursts: int) -> None:
    for _ in range(bursts):
        for service in services.values():
            for _ in range(_BURST):
                service.get()


@contextmanager
def _running(name: str, url: str, user_id: str) -> Iterator[Service]:
    environment = {
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
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Service(psutil.Process(process.pid), listener.getsockname()[1], user_id)
        finally:
            process.terminate()
            process.wait()
