"""The services that are compared; each runs in its own process."""

from benchmarks.services.measure import Rounds, served
from benchmarks.services.requests import ASKS, PAGE_OF_TASKS
from benchmarks.services.running import CONSTANT, PLAIN, SERVICES, SESSION

__all__ = ["ASKS", "CONSTANT", "PAGE_OF_TASKS", "PLAIN", "SERVICES", "SESSION", "Rounds", "served"]
