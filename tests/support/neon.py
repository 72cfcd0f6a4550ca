"""A stand-in for Neon's proxy: it speaks TLS, and refuses as many connections as told, with the proxy's texts."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tests.support.frames import error_response
from tests.support.tls import Authority, certificate_folder

INSECURE: Final = "connection is insecure (try using `sslmode=require`)"
_TLS_REQUEST: Final = 80877103
_SASL, _SASL_CONTINUE = 10, 11


class NeonProxy:
    """Refuses startups with the error passed to `refuse`, then accepts; `connects` counts them all."""

    def __init__(self, context: ssl.SSLContext, ca: str) -> None:
        self._context = context
        self._ca = ca
        self.port = 0
        self.connects = 0
        self._text = ""
        self._sqlstate = "XX000"
        self._left = 0
        self._asks_password = False

    def url(self, password: str = "right", **parameters: str) -> str:
        """Return a URL that verifies the certificate unless `parameters` override it."""
        query = "&".join(
            f"{k}={v}" for k, v in {"sslmode": "verify-full", "sslrootcert": self._ca, **parameters}.items()
        )
        credentials = f"ada:{password}" if password else "ada"
        return f"postgresql://{credentials}@localhost:{self.port}/app?{query}"

    def refuse(self, text: str, *, sqlstate: str = "XX000", times: int = 10**6, asks_password: bool = False) -> None:
        """Refuse the next connections with `text`; with `asks_password` only after a SCRAM login, as the proxy does."""
        self._text, self._sqlstate, self._left, self._asks_password = text, sqlstate, times, asks_password
        self.connects = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        try:
            await self._serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _startup(reader)
        if int.from_bytes(request[:4], "big") != _TLS_REQUEST:
            self.connects += 1
            writer.write(error_response("XX000", INSECURE))
            return
        writer.write(b"S")
        await writer.start_tls(self._context)
        await _startup(reader)
        self.connects += 1
        if self._asks_password:
            await _scram(reader, writer)
        if self._left > 0:
            self._left -= 1
            writer.write(error_response(self._sqlstate, self._text))
            await writer.drain()
            return
        writer.write(_message(b"R", bytes(4)) + _message(b"S", b"server_version\x0017.5\0"))
        writer.write(_message(b"K", bytes(8)) + _message(b"Z", b"I"))
        await reader.read()


@asynccontextmanager
async def neon_proxy() -> AsyncIterator[NeonProxy]:
    """Run the stand-in on a free port of loopback."""
    with certificate_folder() as folder:
        authority = Authority(folder, "neon")
        certificate = authority.issue("proxy", "localhost")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert, certificate.key)
        proxy = NeonProxy(context, str(authority.ca))
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        async with server:
            proxy.port = server.sockets[0].getsockname()[1]
            yield proxy


async def _startup(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(4), "big")
    return await reader.readexactly(length - 4)


async def _scram(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Exchange SCRAM messages up to the client's proof, which is not checked."""
    writer.write(_message(b"R", _SASL.to_bytes(4, "big") + b"SCRAM-SHA-256\0\0"))
    first = await _password_message(reader)
    nonce = first.rpartition(b"r=")[2].decode()
    salt = base64.b64encode(b"salt").decode()
    challenge = f"r={nonce}more,s={salt},i=4096"
    writer.write(_message(b"R", _SASL_CONTINUE.to_bytes(4, "big") + challenge.encode()))
    await _password_message(reader)


async def _password_message(reader: asyncio.StreamReader) -> bytes:
    letter = await reader.readexactly(1)
    assert letter == b"p", letter
    return await _startup(reader)


def _message(letter: bytes, body: bytes) -> bytes:
    return letter + (len(body) + 4).to_bytes(4, "big") + body
