"""The services that are compared; each runs in its own process."""

from benchmarks.services.measure import PLAIN, service_seconds

__all__ = ["PLAIN", "service_seconds"]
