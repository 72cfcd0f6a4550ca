"""What each request costs each service: its processor, and how many it answers in a second."""

import random
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from benchmarks.results import Served
from benchmarks.rounds import labelled
from benchmarks.services.client import Connection, ask_all
from benchmarks.services.requests import ASKS, Ask
from benchmarks.services.rows import CONNECTIONS, furnish
from benchmarks.services.running import SERVICES, Service, services

_TURN: Final = 4
"""The requests of each connection before it is another service's turn."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """How much to measure: in each round every service has so many turns with each request."""

    rounds: int
    turns: int


async def served(url: str, plan: Rounds, progress: Callable[[str], None]) -> list[Served]:
    """Measure every request of every service.

    Each service is one process with uvloop and h11, verifies the token, and logs each request; 16 connections send
    requests at once. Within a round the services take turns in a new random order each time.
    """
    progress("the service: starting")
    places = await furnish(url, SERVICES)
    with services(url, places) as running:
        found = {(name, ask.name): Served(name, ask.name, [], []) for ask in ASKS for name in running}
        async with AsyncExitStack() as stack:
            clients = {name: await _clients(service, stack) for name, service in running.items()}
            for number in range(-1, plan.rounds):
                progress(f"the service: {labelled(number, plan.rounds)}")
                for ask in ASKS:
                    for name, (cpu, seconds) in (await _round(running, clients, ask, plan.turns)).items():
                        if number >= 0:
                            requests = plan.turns * _TURN * CONNECTIONS
                            found[name, ask.name].cpu_rounds.append(cpu / requests)
                            found[name, ask.name].per_second.append(requests / seconds)
        return list(found.values())


async def _clients(service: Service, stack: AsyncExitStack) -> list[Connection]:
    connections = [await Connection.open(service.port) for _ in range(CONNECTIONS)]
    for connection in connections:
        stack.callback(connection.close)
    return connections


async def _round(
    running: Mapping[str, Service], clients: Mapping[str, list[Connection]], ask: Ask, turns: int
) -> dict[str, tuple[float, float]]:
    """Return each service's processor time and time of all its turns."""
    used = dict.fromkeys(running, (0.0, 0.0))
    for _ in range(turns):
        for name in random.sample(list(running), len(running)):
            service = running[name]
            requests = [service.encoded(ask, conversation) for conversation in service.place.conversations]
            cpu, began = service.processor_seconds(), time.perf_counter()
            await ask_all(clients[name], requests, times=_TURN, status=ask.status)
            seconds, cpu = time.perf_counter() - began, service.processor_seconds() - cpu
            used[name] = used[name][0] + cpu, used[name][1] + seconds
    return used
