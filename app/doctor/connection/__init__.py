"""The way to the server and the server itself: address, TLS, latency, pooler, capacity, replicas."""
