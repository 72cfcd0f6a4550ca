"""Switch row-level security on or off."""

import asyncio
from typing import Literal

from rich.console import Console

from app.db import DatabaseSettings
from app.db.access import switch_off, switch_on


def rls(console: Console, state: Literal["on", "off"]) -> None:
    """Switch row-level security, and print the statements that did it."""
    switch = switch_on if state == "on" else switch_off
    for statement in asyncio.run(switch(DatabaseSettings())):
        console.print(f"{statement};", highlight=False, markup=False, soft_wrap=True)
