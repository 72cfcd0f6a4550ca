"""Whatever input the service parses, it gives only documented responses."""

import base64
import json
from urllib.parse import quote, urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Message

from app.api.errors import BadRequestError
from app.api.gate.body import check_json
from app.api.keys.key_set import KeySet, KeySetError
from tests.api.issuer import GOOD_KEYS
from tests.api.support import Running, bearer

CANARY = "canary-7d1c"
QUICKLY = settings(
    max_examples=80, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
DOCUMENTED = {200, 201, 204, 400, 401, 404, 405, 409, 412, 413, 414, 415, 422, 431}
HEADER_NAMES = st.sampled_from(
    b"authorization content-type content-length content-encoding transfer-encoding host idempotency-key if-match "
    b"accept expect origin x-a".split()
)
HEADER_VALUES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"*", b"0", b"-1", b"1" * 5_000, b"gzip", b"application/json", b'W/"1"', b'"1"', b"Bearer "]),
)
HEADERS = st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.just("a\0b"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
FIELDS = st.sampled_from(["title", "description", "completed", "role", "content", "user_id", "/~", ""])
BODIES = st.one_of(
    st.binary(max_size=200),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(FIELDS, VALUES, max_size=5).map(lambda value: json.dumps(value).encode()),
)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["limit", "after", "before", "completed", "x", ""]),
        st.text(max_size=40) | st.integers().map(str) | st.sampled_from(["true", "1_0", "٣", "%", "&"]),
    ),
    max_size=4,
)
TARGETS = st.tuples(
    st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT"]),
    st.sampled_from(["/tasks", "/tasks/1", "/messages", "/conversations", "/conversations/1/messages", "/x"]),
)


Headers = list[tuple[bytes, bytes]]
JSON = (b"content-type", b"application/json")


async def answered(
    api: Running, method: str, path: str, headers: Headers, *, query: bytes = b"", body: bytes = b""
) -> None:
    """Send a request as a server passes it on; the response must be documented and reveal no internals."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await api.asgi(scope, receive, send)
    status, content = sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])
    assert status in DOCUMENTED, (status, content)
    assert status < 400 or json.loads(content)["status"] == status
    assert dict(sent[0]["headers"])[b"cache-control"] == b"no-store"
    assert CANARY.encode() not in content


def authorized(user_id: str) -> Headers:
    """Return the headers of a request in order."""
    return [(b"host", b"x"), (b"authorization", bearer(user_id)["Authorization"].encode())]


@QUICKLY
@given(target=TARGETS, more=HEADERS, body=BODIES)
async def test_any_headers_have_a_documented_answer(
    api: Running, user_id: str, target: tuple[str, str], more: Headers, body: bytes
) -> None:
    """Headers may be doubled, damaged or contradictory."""
    await answered(api, *target, [*authorized(user_id), *more], body=body)


@QUICKLY
@given(target=TARGETS, body=BODIES)
async def test_any_body_has_a_documented_answer(
    api: Running, user_id: str, target: tuple[str, str], body: bytes
) -> None:
    """Bodies may be JSON or not, with known fields or not."""
    headers = [*authorized(user_id), JSON, (b"content-length", str(len(body)).encode())]
    await answered(api, *target, headers, body=body)


@QUICKLY
@given(target=TARGETS, query=QUERIES, raw=st.binary(max_size=60))
async def test_any_query_has_a_documented_answer(
    api: Running, user_id: str, target: tuple[str, str], query: list[tuple[str, str]], raw: bytes
) -> None:
    """Limits and cursors belong to no list, and are encoded correctly or not."""
    method, path = target
    for encoded in (urlencode(query, errors="surrogatepass").encode(), raw):
        await answered(api, method, path, authorized(user_id), query=encoded)


@QUICKLY
@given(path=st.text(max_size=60).map("/".__add__))
async def test_any_path_has_a_documented_answer(api: Running, user_id: str, path: str) -> None:
    """Ids may be invalid numbers, or characters that no path contains."""
    for prefix in ("", "/tasks", "/conversations"):
        await answered(api, "GET", prefix + path.encode(errors="replace").decode(), authorized(user_id))


@QUICKLY
@given(
    parts=st.lists(
        st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()), min_size=1, max_size=4
    )
)
async def test_any_token_is_a_401(api: Running, parts: list[bytes]) -> None:
    """Tokens have any number of parts, JSON or not, encoded or not."""
    for text in (b".".join(parts), b".".join(urlsafe(part) for part in parts)):
        headers = [(b"host", b"x"), (b"authorization", b"Bearer " + text)]
        await answered(api, "GET", "/tasks", headers)


def urlsafe(part: bytes) -> bytes:
    """Encode a part of a token."""
    return base64.urlsafe_b64encode(part).rstrip(b"=")


async def test_a_token_of_deep_json_is_a_401(api: Running) -> None:
    """The nesting is deeper than Python's parser allows."""
    head = urlsafe(b'{"alg":"HS256","kid":' + b"[" * 8_000 + b"]" * 3_000)
    await answered(api, "GET", "/tasks", [(b"host", b"x"), (b"authorization", b"Bearer " + head + b".e30.e30")])


@QUICKLY
@given(body=BODIES)
def test_any_document_is_json_or_a_bad_request(body: bytes) -> None:
    """Python's parser accepts everything that passes."""
    try:
        check_json(body)
    except BadRequestError:
        return
    assert not body or json.loads(body) is not ...


@QUICKLY
@given(
    content=st.binary(max_size=200)
    | st.fixed_dictionaries(
        {"keys": st.lists(VALUES | st.dictionaries(st.sampled_from(sorted(GOOD_KEYS[0])), VALUES), max_size=4)}
    ).map(lambda document: json.dumps(document).encode())
)
def test_any_key_set_is_usable_or_a_key_set_error(content: bytes) -> None:
    """An issuer may publish anything."""
    said = "usable"
    try:
        KeySet(content)
    except KeySetError as error:
        said = str(error)
    assert 0 < len(said) < 1_000
