"""One connection: connecting, cancelling, closing, retrying, and the table of SQLSTATEs."""
