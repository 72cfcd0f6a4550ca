"""Tasks over HTTP."""

from uuid import uuid4

import httpx


async def test_a_created_task_is_returned_with_its_etag(client: httpx.AsyncClient, user_id: str) -> None:
    """The response is the stored row."""
    created = await client.post("/tasks", json={"title": "Buy milk", "description": "2 l"})
    assert created.status_code == 201
    task = created.json()
    assert (task["title"], task["description"], task["completed"]) == ("Buy milk", "2 l", False)
    assert task["user_id"] == user_id
    read = await client.get(f"/tasks/{task['id']}")
    assert (read.json(), read.headers["ETag"]) == (task, created.headers["ETag"])


async def test_pages_of_tasks_give_every_task_once_newest_first(client: httpx.AsyncClient) -> None:
    """Follow `next_cursor` to the end."""
    ids = [(await client.post("/tasks", json={"title": f"task {n}"})).json()["id"] for n in range(5)]
    seen, cursor = [], None
    while True:
        page = (await client.get("/tasks", params={"limit": 2, "after": cursor} if cursor else {"limit": 2})).json()
        seen += [task["id"] for task in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]


async def test_the_filter_lists_only_completed_tasks(client: httpx.AsyncClient) -> None:
    """`completed` splits the list in two."""
    await client.post("/tasks", json={"title": "open"})
    await client.post("/tasks", json={"title": "done", "completed": True})
    done = (await client.get("/tasks", params={"completed": "true"})).json()["items"]
    still_open = (await client.get("/tasks", params={"completed": "false"})).json()["items"]
    assert ([t["title"] for t in done], [t["title"] for t in still_open]) == (["done"], ["open"])


async def test_patch_changes_only_what_is_sent(client: httpx.AsyncClient) -> None:
    """The other fields stay, and the ETag moves."""
    created = await client.post("/tasks", json={"title": "Buy milk", "description": "2 l"})
    changed = await client.patch(f"/tasks/{created.json()['id']}", json={"completed": True})
    assert changed.status_code == 200
    assert changed.json() == created.json() | {"completed": True, "updated_at": changed.json()["updated_at"]}
    assert changed.headers["ETag"] != created.headers["ETag"]


async def test_patch_with_the_current_etag_succeeds_and_with_an_old_one_fails(client: httpx.AsyncClient) -> None:
    """`If-Match` prevents one client from overwriting another's recent change."""
    created = await client.post("/tasks", json={"title": "v1"})
    path, etag = f"/tasks/{created.json()['id']}", created.headers["ETag"]
    first = await client.patch(path, json={"title": "v2"}, headers={"If-Match": etag})
    second = await client.patch(path, json={"title": "v3"}, headers={"If-Match": etag})
    assert (first.status_code, second.status_code) == (200, 412)
    assert second.json()["type"] == "urn:problem:stale"
    assert (await client.get(path)).json()["title"] == "v2"


async def test_a_foreign_etag_matches_nothing_and_a_star_matches_everything(client: httpx.AsyncClient) -> None:
    """RFC 9110: an unknown, a weak and a damaged tag are all 412; `*` matches any existing row."""
    path = f"/tasks/{(await client.post('/tasks', json={'title': 'v1'})).json()['id']}"
    for tag in ('"abc"', 'W/"1700000000000000"', "1700000000000000", '"99999999999999999"', '"' + "9" * 18 + '"', ""):
        answer = await client.patch(path, json={"title": "v2"}, headers={"If-Match": tag})
        assert answer.status_code == 412, tag
    assert (await client.patch(path, json={"title": "v2"}, headers={"If-Match": "*"})).status_code == 200


async def test_a_deleted_task_is_gone(client: httpx.AsyncClient) -> None:
    """The second delete finds nothing."""
    path = f"/tasks/{(await client.post('/tasks', json={'title': 'short-lived'})).json()['id']}"
    assert (await client.delete(path)).status_code == 204
    for answer in (await client.delete(path), await client.get(path), await client.patch(path, json={})):
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:problem:not-found")


async def test_a_repeated_post_with_the_same_key_creates_one_task(client: httpx.AsyncClient) -> None:
    """The second response is the first result."""
    headers = {"Idempotency-Key": str(uuid4())}
    first = await client.post("/tasks", json={"title": "once"}, headers=headers)
    second = await client.post("/tasks", json={"title": "once"}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert len((await client.get("/tasks")).json()["items"]) == 1


async def test_a_key_used_for_another_request_is_a_conflict(client: httpx.AsyncClient) -> None:
    """A key names one request, not one client."""
    headers = {"Idempotency-Key": str(uuid4())}
    await client.post("/tasks", json={"title": "first"}, headers=headers)
    assert (await client.post("/tasks", json={"title": "second"}, headers=headers)).status_code == 409
