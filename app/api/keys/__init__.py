"""The keys that tokens are verified with: a shared secret, or a key set from a file or from its issuer."""
