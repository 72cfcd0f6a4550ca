"""The messages in the two streams of a connection, unless they are encrypted."""

from collections.abc import Iterator
from typing import Final, NamedTuple

_NAMES: Final = {
    "B": "Bind",
    "C": "Close",
    "D": "Describe",
    "E": "Execute",
    "H": "Flush",
    "P": "Parse",
    "Q": "Query",
    "S": "Sync",
    "X": "Terminate",
    "p": "Password",
}
_TLS_REQUEST: Final = 80877103
_CANCEL_REQUEST: Final = 80877102
_HANDSHAKE: Final = 0x16  # the first byte of TLS; a startup message begins with the high byte of its length
_LENGTH_BYTES: Final = 4


class Message(NamedTuple):
    """A message of a client or a server; `sql` is its statement, even if a Bind only names it."""

    letter: str
    body: bytes
    sql: str = ""

    @property
    def name(self) -> str:
        """The protocol's name for a client's message."""
        return _NAMES.get(self.letter, self.letter)


class Frames:
    """Splits the bytes of one connection into messages; yields none once it is encrypted."""

    def __init__(self) -> None:
        self.encrypted = False
        self._asked, self._answered = bytearray(), bytearray()
        self._started = self._tls_requested = False
        self._parsed: dict[bytes, str] = {}

    def from_client(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that `data` completes; it may start and end in the middle of one."""
        if self.encrypted:
            return
        self._asked += data
        if not self._started and not self._tls_requested:
            self.encrypted = self._asked[0] == _HANDSHAKE
            yield from self._first()
        while self._started and (message := _take(self._asked)):
            yield self._with_sql(message)

    def from_server(self, data: bytes) -> Iterator[Message]:
        """Yield the server's messages likewise."""
        if self.encrypted:
            return
        self._answered += data
        if self._tls_requested:
            self.encrypted = self._answered[:1] == b"S"
            self._tls_requested = False
            del self._answered[:1]
        while not self.encrypted and (message := _take(self._answered)):
            yield message

    def _first(self) -> Iterator[Message]:
        """Yield the first message, which has no letter, once it is complete: its body tells its kind."""
        length = int.from_bytes(self._asked[:_LENGTH_BYTES], "big")
        if self.encrypted or len(self._asked) < 2 * _LENGTH_BYTES or len(self._asked) < length:
            return
        body = bytes(self._asked[_LENGTH_BYTES:length])
        del self._asked[:length]
        code = int.from_bytes(body[:_LENGTH_BYTES], "big")
        self._tls_requested = code == _TLS_REQUEST
        self._started = not self._tls_requested
        yield Message({_TLS_REQUEST: "SSLRequest", _CANCEL_REQUEST: "CancelRequest"}.get(code, "Startup"), body)

    def _with_sql(self, message: Message) -> Message:
        parts = message.body.split(b"\0", 2)
        if message.letter == "Q":
            return message._replace(sql=parts[0].decode())
        if message.letter == "P":
            self._parsed[parts[0]] = parts[1].decode()
            return message._replace(sql=self._parsed[parts[0]])
        if message.letter == "B":
            return message._replace(sql=self._parsed.get(parts[1], ""))
        return message


def error_response(sqlstate: str, text: str) -> bytes:
    """Return the error message with which a server closes a connection."""
    fields = {"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": text}
    body = b"".join(f"{letter}{value}".encode() + b"\0" for letter, value in fields.items()) + b"\0"
    return b"E" + (len(body) + _LENGTH_BYTES).to_bytes(_LENGTH_BYTES, "big") + body


def _take(buffer: bytearray) -> Message | None:
    """Remove the first message from `buffer`, if it is complete."""
    end = 1 + int.from_bytes(buffer[1 : 1 + _LENGTH_BYTES], "big")
    if len(buffer) <= _LENGTH_BYTES or len(buffer) < end:
        return None
    message = Message(chr(buffer[0]), bytes(buffer[1 + _LENGTH_BYTES : end]))
    del buffer[:end]
    return message
