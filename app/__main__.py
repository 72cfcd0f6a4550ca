"""The commands: python -m app --help."""

import sys

from app.extras import MissingExtraError, require_extra

try:
    require_extra("cli", "rich", "typer")
except MissingExtraError as error:
    sys.exit(f"python -m app: {error}")

from app.cli import app

app(prog_name="python -m app")
