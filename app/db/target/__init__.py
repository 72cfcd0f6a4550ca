"""Where to connect: URL, TLS, settings."""
