"""The statements of the repositories: all of them, and those that a call sends."""

import importlib
import pkgutil
from typing import Any

from sqlalchemy import CompoundSelect, Delete, Executable, Insert, Result, Select, Update
from sqlalchemy.ext.asyncio import AsyncSession

from app import repositories


def all_statements() -> dict[str, Executable]:
    """Return every statement that a module of `app.repositories` builds, by its name: ``tasks._GET``."""
    return {
        f"{module.name}.{name}": value
        for module in pkgutil.iter_modules(repositories.__path__)
        for name, value in vars(importlib.import_module(f"{repositories.__name__}.{module.name}")).items()
        if isinstance(value, Select | CompoundSelect | Insert | Update | Delete)
    }


class Recorder:
    """Executes for a repository, on a session, and notes the last statement and its parameters."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.statement: Executable | None = None
        self.parameters: dict[str, Any] = {}

    async def execute(self, statement: Executable, parameters: dict[str, Any], **more: Any) -> Result[Any]:
        """Execute, as the session does."""
        self.statement, self.parameters = statement, parameters
        return await self._session.execute(statement, parameters, **more)
