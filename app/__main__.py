"""The commands: python -m app --help."""

from app.cli import app

app(prog_name="python -m app")
