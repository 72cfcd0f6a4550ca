"""SQLAlchemy on the pool: dialect, events, error translation, the direct path."""
