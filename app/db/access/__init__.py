"""Who may do what in the database: the rights of its roles, and row-level security."""

from app.db.access.roles import APPLICATION_RIGHTS, Roles, application_rights, give_rights
from app.db.access.row_security import POLICY, guarded_tables, switch_off, switch_on

__all__ = [
    "APPLICATION_RIGHTS",
    "POLICY",
    "Roles",
    "application_rights",
    "give_rights",
    "guarded_tables",
    "switch_off",
    "switch_on",
]
