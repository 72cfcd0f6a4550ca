"""No user sees or changes another user's rows."""

import httpx


async def test_nothing_of_one_user_can_be_read_or_changed_by_another(
    client: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    """Every route with an id answers as if the row were not there."""
    task = (await client.post("/tasks", json={"title": "mine"})).json()
    conversation = (await client.post("/conversations")).json()
    messages = f"/conversations/{conversation['id']}/messages"
    message = (await client.post(messages, json={"role": "user", "content": "mine"})).json()

    refused = [
        await other.get(f"/tasks/{task['id']}"),
        await other.patch(f"/tasks/{task['id']}", json={"title": "theirs"}),
        await other.delete(f"/tasks/{task['id']}"),
        await other.get(f"/conversations/{conversation['id']}"),
        await other.delete(f"/conversations/{conversation['id']}"),
        await other.get(messages),
        await other.get(f"{messages}/latest"),
        await other.post(messages, json={"role": "user", "content": "theirs"}),
        await other.post(f"/conversations/{conversation['id']}/reply", json={"content": "theirs"}),
    ]
    assert [answer.status_code for answer in refused] == [404] * len(refused)
    for path in ("/tasks", "/conversations"):
        assert (await other.get(path)).json()["items"] == []

    assert (await client.get(f"/tasks/{task['id']}")).json() == task
    assert (await client.get(messages)).json()["items"] == [message]


async def test_a_cursor_of_one_user_is_refused_for_another(client: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
    """The cursor does not belong to a list of the other user."""
    for n in range(2):
        await client.post("/tasks", json={"title": str(n)})
    cursor = (await client.get("/tasks", params={"limit": 1})).json()["next_cursor"]
    answer = await other.get("/tasks", params={"after": cursor})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:problem:invalid-cursor")


async def test_a_key_of_one_user_says_nothing_about_another(
    client: httpx.AsyncClient, other: httpx.AsyncClient, user_id: str
) -> None:
    """Two users may choose the same key."""
    headers = {"Idempotency-Key": "6f2c1a52-6a0e-4a7e-9b52-0d3f3c0f5b11"}
    mine = await client.post("/tasks", json={"title": "mine"}, headers=headers)
    theirs = await other.post("/tasks", json={"title": "theirs"}, headers=headers)
    assert (mine.json()["user_id"], theirs.json()["user_id"]) == (user_id, f"other-{user_id}")
    assert mine.json()["id"] != theirs.json()["id"]


async def test_no_route_takes_a_user_id_from_the_client(client: httpx.AsyncClient, user_id: str) -> None:
    """No route has such a parameter, and a body with one is refused."""
    schema = (await client.get("/openapi.json")).json()
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    names = {parameter["name"] for operation in operations for parameter in operation.get("parameters", [])}
    assert "user_id" not in names
    inputs = [
        schema["components"]["schemas"][name] for name in ("TaskCreate", "TaskUpdate", "MessageCreate", "Question")
    ]
    assert not any("user_id" in model["properties"] for model in inputs)
    assert (await client.post("/tasks", json={"title": "x", "user_id": f"other-{user_id}"})).status_code == 422
