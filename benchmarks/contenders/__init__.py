"""Who is measured; each module is loaded only in its own process."""

from importlib import import_module
from typing import Final

from benchmarks.contenders.base import Contender, Place

__all__ = ["BASELINE", "CONTENDERS", "OURS", "SESSION_WITH_PING", "Contender", "Place", "load"]

OURS: Final = "this layer"
BASELINE: Final = "asyncpg pool"
SESSION_WITH_PING: Final = "SQLModel session, pre_ping"

CONTENDERS: Final = {
    OURS: "ours:Ours",
    BASELINE: "asyncpg_pool:AsyncpgPool",
    "asyncpg pool, no reset": "asyncpg_pool:AsyncpgPoolWithoutReset",
    "SQLModel session": "sqlmodel_session:SqlmodelSession",
    SESSION_WITH_PING: "sqlmodel_session:SqlmodelSessionWithPing",
    "Advanced Alchemy": "advanced_alchemy_repository:AdvancedAlchemy",
    "Tortoise ORM": "tortoise_orm:TortoiseOrm",
    "Piccolo": "piccolo_orm:PiccoloOrm",
    "psycopg pool": "psycopg_pool:PsycopgPool",
    "OpenAI Agents session": "openai_agents:OpenAIAgents",
    "LangChain history": "langchain_history:LangChainHistory",
}


def load(name: str) -> type[Contender]:
    """Return the class of a contender."""
    module, _, kind = CONTENDERS[name].partition(":")
    found: type[Contender] = getattr(import_module(f"benchmarks.contenders.{module}"), kind)
    return found
