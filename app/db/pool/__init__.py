"""The pool, and who holds what."""
