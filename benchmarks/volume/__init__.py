"""What a large table costs: made once, and kept in the state folder of the embedded server."""
