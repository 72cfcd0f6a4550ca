"""Who may do what in the database: the rights of its three roles."""

from app.db.access.roles import APPLICATION_RIGHTS, Roles, application_rights, give_rights

__all__ = ["APPLICATION_RIGHTS", "Roles", "application_rights", "give_rights"]
