"""The requests that every service answers."""

import json
from dataclasses import dataclass
from typing import Final

from benchmarks.contenders.base import PAGE, QUESTION


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, and the status of its answer; `{}` in the path stands for a conversation."""

    name: str
    method: str
    path: str
    status: int
    body: bytes = b""

    @property
    def writes(self) -> bool:
        """Return whether it adds rows, and so needs a user whose pages nobody compares."""
        return bool(self.body)

    def encoded(self, token: str, conversation: int) -> bytes:
        """Return the request as it is sent."""
        lines = [
            f"{self.method} {self.path.format(conversation)} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: Bearer {token}",
        ]
        if self.writes:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


PAGE_OF_TASKS: Final = Ask(f"GET /tasks?limit={PAGE}", "GET", f"/tasks?limit={PAGE}", 200)
CREATE: Final = Ask("POST /tasks", "POST", "/tasks", 201, json.dumps({"title": "Buy milk and bread"}).encode())
APPEND: Final = Ask(
    "POST .../messages",
    "POST",
    "/conversations/{}/messages",
    201,
    json.dumps({"role": "user", "content": QUESTION}).encode(),
)
REPLY: Final = Ask(
    "a streamed reply", "POST", "/conversations/{}/reply", 200, json.dumps({"content": QUESTION}).encode()
)
ANSWERED_WHOLE: Final = (PAGE_OF_TASKS, CREATE, APPEND)
"""Those whose answer is not streamed."""
ASKS: Final = (*ANSWERED_WHOLE, REPLY)
