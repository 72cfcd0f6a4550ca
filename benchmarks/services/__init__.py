"""The services that are compared; each runs in its own process."""

from benchmarks.services.measure import Rounds, served
from benchmarks.services.requests import ANSWERED_WHOLE, ASKS, Ask
from benchmarks.services.running import CONSTANT, PLAIN, SERVICES, SESSION

__all__ = ["ANSWERED_WHOLE", "ASKS", "CONSTANT", "PLAIN", "SERVICES", "SESSION", "Ask", "Rounds", "served"]
