"""Grant the database's roles their rights."""

import asyncio

from rich.console import Console

from app.db import DatabaseSettings
from app.db.access import Roles, give_rights


def roles(console: Console, *, application: str, reader: str) -> None:
    """Grant the roles their rights, and print the statements that did it."""
    for statement in asyncio.run(give_rights(DatabaseSettings(), Roles(application, reader))):
        console.print(f"{statement};", highlight=False, markup=False, soft_wrap=True)
