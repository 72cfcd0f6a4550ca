"""The specification's success criteria, tried in a schema of their own."""
