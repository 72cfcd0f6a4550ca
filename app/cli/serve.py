"""The API on one's own machine."""

import asyncio

import uvicorn
from rich.console import Console

from app.api.dev import create_dev_app
from app.db import DatabaseSettings
from app.db.migrations import upgrade


def serve(database: DatabaseSettings, console: Console, *, host: str, port: int) -> None:
    """Migrate, and serve until Ctrl-C."""
    asyncio.run(upgrade(database))
    place = f"http://{host}:{port}"
    console.print(f"the API: [bold]{place}/docs[/]")
    console.print(f"a token: [bold]curl '{place}/dev/token?user_id=ada'[/]", soft_wrap=True)
    uvicorn.run(create_dev_app(database=database), host=host, port=port, log_level="warning")
