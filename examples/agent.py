"""An agent loop: the model sees the conversation, calls tools on the user's tasks, and answers.

The model here is a script, so that the example runs anywhere; `openai_agent.py` has the same with the Agents SDK.
No connection is held while a model thinks: each call of a repository takes one and gives it back.

Run `python -m examples.agent` with DATABASE_URL set and migrated.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.db import Database, DatabaseSettings
from app.db.errors import DataAccessError
from app.db.models import MessageCreate, MessageRead, Role, TaskCreate, TaskUpdate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo

MAX_STEPS = 5
Tool = Callable[..., Awaitable[str]]


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model wants to use."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Model(Protocol):
    """What decides: a tool to call next, or the answer."""

    async def decide(self, history: Sequence[MessageRead], results: Sequence[str]) -> ToolCall | str:
        """Return the next step, from the conversation and what the tools of this turn returned."""
        ...


class ScriptedModel:
    """Add the task that the user names, then answer with the list."""

    async def decide(self, history: Sequence[MessageRead], results: Sequence[str]) -> ToolCall | str:
        """Return the next step of the script."""
        wanted = history[-1].content.removeprefix("Remind me to ").removesuffix(".")
        steps = [ToolCall("add_task", {"title": wanted}), ToolCall("open_tasks")]
        return steps[len(results)] if len(results) < len(steps) else f"Noted. Open: {results[-1]}."


def tools_of(user_id: str, tasks: TaskRepo) -> dict[str, Tool]:
    """Return the tools, bound to the user: a model never names the user that it works for."""

    async def add_task(title: str) -> str:
        task = await tasks.create(user_id, TaskCreate(title=title))
        return f"task {task.id}"

    async def complete_task(task_id: int) -> str:
        task = await tasks.update(user_id, task_id, TaskUpdate(completed=True))
        return f"{task.title} is done"

    async def open_tasks() -> str:
        page = await tasks.list_page(user_id, completed=False, limit=20)
        return ", ".join(task.title for task in page.items) or "nothing"

    return {"add_task": add_task, "complete_task": complete_task, "open_tasks": open_tasks}


async def turn(db: Database, model: Model, user_id: str, conversation_id: int, content: str) -> str:
    """Append what the user says, let the model work, append its answer and return it."""
    messages, tools = MessageRepo(db), tools_of(user_id, TaskRepo(db))
    said = MessageCreate(role=Role.USER, content=content)
    history = await messages.append_with_history(user_id, conversation_id, said, limit=50)
    results: list[str] = []
    for _ in range(MAX_STEPS):
        step = await model.decide(history, results)
        if isinstance(step, str):
            await messages.append(user_id, conversation_id, MessageCreate(role=Role.ASSISTANT, content=step))
            return step
        results.append(await _called(tools[step.name], step.arguments))
    raise RuntimeError(f"no answer after {MAX_STEPS} steps")


async def _called(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """Return what the tool returns; an error is told to the model, which may choose another way."""
    try:
        return await tool(**arguments)
    except (DataAccessError, ValueError) as error:
        return f"error: {error}"


async def main(user_id: str = "ada") -> None:
    """Have a short conversation."""
    async with Database(DatabaseSettings()) as db:
        chat = await ConversationRepo(db).create(user_id)
        for content in ("Remind me to buy milk.", "Remind me to call mum."):
            print(f"{user_id}: {content}")
            print(f"assistant: {await turn(db, ScriptedModel(), user_id, chat.id, content)}")


if __name__ == "__main__":
    asyncio.run(main())
