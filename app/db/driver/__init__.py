"""One connection: connect, cancel and close, retry, SQLSTATE table."""
