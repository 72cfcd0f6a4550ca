"""Who may do what in the database: the rights of its roles, and row-level security."""

from app.db.access.roles import MISSING_RIGHTS, Roles, application_rights, give_rights, remedies, wanted_rights
from app.db.access.row_security import POLICY, switch_off, switch_on

__all__ = [
    "MISSING_RIGHTS",
    "POLICY",
    "Roles",
    "application_rights",
    "give_rights",
    "remedies",
    "switch_off",
    "switch_on",
    "wanted_rights",
]
