"""Measure the performance promises: `make bench`."""
