"""An async data-access layer for tasks and conversations on PostgreSQL."""
