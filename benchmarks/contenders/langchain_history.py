"""LangChain's chat history on PostgreSQL."""

from typing import Any
from uuid import NAMESPACE_OID, uuid5

import psycopg
from langchain_core.messages import AIMessage, HumanMessage
from langchain_postgres import PostgresChatMessageHistory

from benchmarks.contenders.base import PAGE, Contender, Place

_TABLE = "langchain_history"


class LangChainHistory(Contender):
    """`PostgresChatMessageHistory` on one connection."""

    how = (
        "`PostgresChatMessageHistory`: `aadd_messages`, `aget_messages()`, which reads the whole history, here cut "
        "back to 100 before each turn; one connection held, own table, no users, no tasks"
    )
    packages = ("langchain-postgres", "psycopg")
    operations = ("append", "latest", "turn")
    pooled = False

    async def open(self, url: str, place: Place) -> None:
        self._connection = await psycopg.AsyncConnection.connect(url)
        await PostgresChatMessageHistory.acreate_tables(self._connection, _TABLE)
        session = str(uuid5(NAMESPACE_OID, place.user))
        self._history = PostgresChatMessageHistory(_TABLE, session, async_connection=self._connection)
        await self.prepare()

    async def prepare(self) -> None:
        await self._history.aclear()
        await self._history.aadd_messages([HumanMessage("hello " * 20)] * (2 * PAGE))

    async def close(self) -> None:
        await self._connection.close()

    async def append(self, role: str, content: str) -> Any:
        return await self._history.aadd_messages([HumanMessage(content) if role == "user" else AIMessage(content)])

    async def latest(self) -> Any:
        return (await self._history.aget_messages())[-PAGE:]
