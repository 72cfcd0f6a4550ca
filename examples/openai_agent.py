"""The agent of `agent.py` with the OpenAI Agents SDK (the extra `agents`): tools on TaskRepo, history from MessageRepo.

Run `python -m examples.openai_agent` with DATABASE_URL and OPENAI_API_KEY set.
"""

import asyncio
from dataclasses import dataclass

from agents import Agent, Model, RunConfig, RunContextWrapper, Runner, TResponseInputItem, function_tool

from app.db import Database, DatabaseSettings
from app.db.models import MessageCreate, MessageRead, Role, TaskCreate, TaskUpdate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo


@dataclass(frozen=True)
class Caller:
    """Whose tasks the tools work on; the model never sees or names the user."""

    user_id: str
    tasks: TaskRepo


@function_tool
async def add_task(context: RunContextWrapper[Caller], title: str) -> str:
    """Add a task to the user's list."""
    task = await context.context.tasks.create(context.context.user_id, TaskCreate(title=title))
    return f"task {task.id}"


@function_tool
async def complete_task(context: RunContextWrapper[Caller], task_id: int) -> str:
    """Mark a task of the user as done."""
    task = await context.context.tasks.update(context.context.user_id, task_id, TaskUpdate(completed=True))
    return f"{task.title} is done"


@function_tool
async def open_tasks(context: RunContextWrapper[Caller]) -> str:
    """List the user's open tasks, the newest first."""
    page = await context.context.tasks.list_page(context.context.user_id, completed=False, limit=20)
    return "\n".join(f"{task.id}: {task.title}" for task in page.items) or "nothing"


def secretary(model: str | Model) -> Agent[Caller]:
    """Return the agent."""
    return Agent(
        name="secretary",
        instructions="Keep the user's list of tasks. Answer in one sentence.",
        model=model,
        tools=[add_task, complete_task, open_tasks],
    )


def as_input(message: MessageRead) -> TResponseInputItem:
    """Return a stored message as the SDK takes it."""
    if message.role is Role.USER:
        return {"role": "user", "content": message.content}
    return {"role": "assistant", "content": message.content}


async def turn(db: Database, agent: Agent[Caller], user_id: str, conversation_id: int, content: str) -> str:
    """Append what the user says, run the agent on the last 50 messages, append its answer and return it."""
    messages = MessageRepo(db)
    said = MessageCreate(role=Role.USER, content=content)
    history = await messages.append_with_history(user_id, conversation_id, said, limit=50)
    caller = Caller(user_id, TaskRepo(db))
    private = RunConfig(tracing_disabled=True)  # the SDK would send each conversation to its tracing service
    result = await Runner.run(agent, [as_input(message) for message in history], context=caller, run_config=private)
    answer = str(result.final_output)
    await messages.append(user_id, conversation_id, MessageCreate(role=Role.ASSISTANT, content=answer))
    return answer


async def main(user_id: str = "ada") -> None:
    """Have a short conversation."""
    async with Database(DatabaseSettings()) as db:
        chat = await ConversationRepo(db).create(user_id)
        for content in ("Remind me to buy milk.", "What is open?"):
            print(f"{user_id}: {content}")
            print(f"assistant: {await turn(db, secretary('gpt-5-mini'), user_id, chat.id, content)}")


if __name__ == "__main__":
    asyncio.run(main())
