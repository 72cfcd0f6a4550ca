"""Reads on replicas that have what their user has written (docs/replicas.md)."""
