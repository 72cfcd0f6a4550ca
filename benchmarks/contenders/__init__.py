"""The contenders; each module is loaded only in its own process."""

from importlib import import_module
from typing import Final

from benchmarks.contenders.base import Contender, Place

__all__ = [
    "BARE_SPANS",
    "BASELINE",
    "CONTENDERS",
    "CORE",
    "LISTENED",
    "NO_RESET",
    "OURS",
    "SAME_MODELS",
    "SESSION_WITH_PING",
    "SLOW_LOG",
    "SPANS",
    "TUNED_SESSION",
    "WATCHED",
    "Contender",
    "Place",
    "load",
]

OURS: Final = "this layer"
BASELINE: Final = "asyncpg pool"
NO_RESET: Final = "asyncpg pool, no reset"
SAME_MODELS: Final = "asyncpg pool, no reset, models"
SLOW_LOG: Final = "this layer, slow log on"
SPANS: Final = "this layer, OpenTelemetry"
BARE_SPANS: Final = "this layer, the caller's own spans"
LISTENED: Final = "this layer, after a listener"
WATCHED: Final = (SLOW_LOG, LISTENED, SPANS, BARE_SPANS)
"""Measured beside this layer only, in a chapter of their own."""
CORE: Final = "SQLAlchemy Core, AUTOCOMMIT"
TUNED_SESSION: Final = "SQLModel session, tuned"
SESSION_WITH_PING: Final = "SQLModel session, pre_ping"

CONTENDERS: Final = {
    OURS: "ours:Ours",
    BASELINE: "asyncpg_pool:AsyncpgPool",
    NO_RESET: "asyncpg_pool:AsyncpgPoolWithoutReset",
    SAME_MODELS: "asyncpg_pool:AsyncpgPoolWithModels",
    SLOW_LOG: "ours_watched:OursWithSlowLog",
    SPANS: "ours_watched:OursWithSpans",
    BARE_SPANS: "ours_watched:OursWithBareSpans",
    LISTENED: "ours_watched:OursBesideAListener",
    TUNED_SESSION: "sqlmodel_session:TunedSqlmodelSession",
    "SQLModel session": "sqlmodel_session:SqlmodelSession",
    SESSION_WITH_PING: "sqlmodel_session:SqlmodelSessionWithPing",
    CORE: "sqlalchemy_core:SqlalchemyCore",
    "Advanced Alchemy": "advanced_alchemy_repository:AdvancedAlchemy",
    "Tortoise ORM": "tortoise_orm:TortoiseOrm",
    "Piccolo": "piccolo_orm:PiccoloOrm",
    "psycopg pool": "psycopg_pool:PsycopgPool",
    "psycopg pool, autocommit": "psycopg_pool:PsycopgPoolInAutocommit",
    "OpenAI Agents session": "openai_agents:OpenAIAgents",
    "LangChain history": "langchain_history:LangChainHistory",
}


def load(name: str) -> type[Contender]:
    """Return the class of a contender."""
    module, _, kind = CONTENDERS[name].partition(":")
    found: type[Contender] = getattr(import_module(f"benchmarks.contenders.{module}"), kind)
    return found
