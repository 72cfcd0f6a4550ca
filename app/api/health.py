"""Routes for those who watch the service; they need no token."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.dependencies import ReadinessDep
from app.api.problems import answers

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """All is well."""

    status: Literal["ok"] = "ok"


@router.get("/healthz")
async def is_alive() -> Health:
    """Say that the process works; the database is not asked."""
    return Health()


@router.get("/readyz", responses=answers(503))
async def is_ready(readiness: ReadinessDep) -> Health:
    """Say whether requests can be served, and what is wrong if not; the database is asked at most once a second."""
    await readiness.check()
    return Health()
