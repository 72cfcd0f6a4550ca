"""The examples, each run as its first lines say in a checkout, where nothing is installed, on a real database."""

import asyncio
import importlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import date
from pathlib import Path

import httpx
import pytest

from app.db import Database
from app.db.models import MessageRead
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from examples import agent, background_job
from tests.api.support import served
from tests.examples.scripted_model import ScriptedModel

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def _run(*command: str, url: str) -> str:
    ours = ("DATABASE_", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    ran = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=ROOT,
        env={**environment, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_plain_session(migrated_url: str) -> None:
    """Relations, predicates and order work as in any SQLModel program."""
    assert "user: What is next?\nassistant: Buy milk.\n" in _run("-m", "examples.plain_session", url=migrated_url)


def test_the_agent(migrated_url: str) -> None:
    """The tools write tasks, and what was said before is in the history."""
    said = _run("-m", "examples.agent", url=migrated_url).splitlines()
    assert said[1].startswith("assistant: Noted. Open: buy milk")
    assert said[3].startswith("assistant: Noted. Open: call mum, buy milk")


async def test_an_error_of_a_tool_is_told_to_the_model(db: Database, user_id: str) -> None:
    """It may choose another way; the conversation goes on."""
    chat = await ConversationRepo(db).create(user_id)
    heard: list[str] = []

    class Stubborn:
        async def decide(self, _: Sequence[MessageRead], results: Sequence[str]) -> agent.ToolCall | str:
            heard.extend(results)
            return "Sorry." if results else agent.ToolCall("complete_task", {"task_id": 1})

    assert await agent.turn(db, Stubborn(), user_id, chat.id, "Done!") == "Sorry."
    assert heard[0].startswith("error: ")
    assert [message.content for message in await MessageRepo(db).latest(user_id, chat.id)] == ["Done!", "Sorry."]


async def test_the_agent_of_the_sdk(db: Database, user_id: str) -> None:
    """The SDK calls the tools for the user of the context, and is given the history."""
    openai_agent = importlib.import_module("examples.openai_agent")
    chat = await ConversationRepo(db).create(user_id)
    model = ScriptedModel(calls=[("add_task", {"title": "Buy milk"}), ("open_tasks", {})], answer="Noted.")
    assert await openai_agent.turn(db, openai_agent.secretary(model), user_id, chat.id, "Milk, please.") == "Noted."
    assert [task.title for task in (await TaskRepo(db).list_page(user_id)).items] == ["Buy milk"]
    again = ScriptedModel(calls=[], answer="Buy milk is open.")
    await openai_agent.turn(db, openai_agent.secretary(again), user_id, chat.id, "What is open?")
    assert [each["content"] for each in again.heard] == ["Milk, please.", "Noted.", "What is open?"]


async def test_the_background_job_can_be_repeated(migrated_url: str, db: Database, user_id: str) -> None:
    """However often it runs in a week, a user has one task of it; a user that fails does not stop the others."""
    for _ in range(2):
        assert "1 of 1 users have their review" in _run("-m", "examples.background_job", user_id, url=migrated_url)
    assert await TaskRepo(db).count(user_id) == 1
    assert await background_job.run(db, ["", user_id], date(2026, 1, 5)) == [""]
    assert await TaskRepo(db).count(user_id) == 2


def test_the_test_module() -> None:
    """It passes from any working directory, with its own PostgreSQL."""
    command = (
        "-m",
        "pytest",
        "-q",
        "-o",
        "asyncio_mode=auto",
        "-p",
        "no:cacheprovider",
        str(EXAMPLES / "test_reminders.py"),
    )
    assert "2 passed" in _run(*command, url="")


@pytest.fixture
async def client(migrated_url: str, user_id: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """Run the application of one file behind a socket; give a client of a user of this test alone."""
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    app = importlib.import_module("examples.fastapi_app").app
    server = served(app)
    address = await asyncio.to_thread(server.__enter__)
    async with httpx.AsyncClient(base_url=address, headers={"X-User-Id": user_id}, timeout=240) as client:
        yield client
    await asyncio.to_thread(server.__exit__, None, None, None)


async def test_the_application_of_one_file(client: httpx.AsyncClient) -> None:
    """It creates, lists by pages, changes, and answers for what is absent, invalid or somebody else's."""
    made = [(await client.post("/tasks", json={"title": f"Task {n}"})).json() for n in range(21)]
    first = (await client.get("/tasks")).json()
    second = (await client.get("/tasks", params={"after": first["next_cursor"]})).json()
    assert [task["id"] for task in first["items"] + second["items"]] == [task["id"] for task in reversed(made)]
    place = f"/tasks/{made[0]['id']}"
    assert (await client.patch(place, json={"completed": True})).json()["completed"] is True
    assert (await client.patch(place, json={"completed": True}, headers={"X-User-Id": "other"})).status_code == 404
    assert (await client.get("/tasks", params={"after": "forged"})).status_code == 422
    assert (await client.post("/chats", json={"role": "user", "content": "\0"})).status_code == 422
    begun = await client.post("/chats", json={"role": "user", "content": "Hello"})
    assert (begun.status_code, begun.json()["content"]) == (201, "Hello")
