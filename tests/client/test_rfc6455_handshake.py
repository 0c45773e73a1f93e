"""RFC 6455 section 4.1: what a client asks, and which answers it must not take.

The number in a name is the section of the RFC.
"""

from __future__ import annotations

import asyncio
import base64
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Manager, SockwaveError, TransportError
from sockwave.codec.websocket import accept_key, server_frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OPEN = b'0{"sid":"abc","upgrades":[],"pingInterval":10000,"pingTimeout":5000}'
GOOD = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Accept": "{accept}",
}


class Peer:
    """A server that answers every handshake as it is told, and keeps the requests."""

    def __init__(self, *fields: tuple[str, str], status: str = "101 Switching Protocols") -> None:
        self.heads: list[str] = []
        self.port = 0
        self._fields = fields
        self._status = status
        self._ended = asyncio.Event()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Listen; gives the URL."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with asyncio.timeout(40):
                await self._ended.wait()
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            key = header(head, "Sec-WebSocket-Key").encode()
            lines = "".join(f"{name}: {value}\r\n" for name, value in self._fields)
            answer = f"HTTP/1.1 {self._status}\r\n{lines}\r\n"
            answer = answer.replace("{accept}", accept_key(key).decode())
            is_switching = self._status.startswith("101")
            writer.write(answer.encode() + (server_frame(OPEN) if is_switching else b""))
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass  # a client that does not take the answer may reset
        finally:
            writer.close()
            self._ended.set()


def header(head: str, name: str) -> str:
    """The value of a header that is there once."""
    [value] = re.findall(rf"^{name}: (.*)\r$", head, re.MULTILINE | re.IGNORECASE)
    assert isinstance(value, str)
    return value


async def attempt(peer: Peer, **options: Any) -> SockwaveError | None:
    """Connect once; what it failed with."""
    async with peer.serve() as url:
        options = {"transports": ["websocket"], "reconnection": False, **options}
        async with Manager(url, close_timeout=0.1, **options) as manager:
            try:
                async with asyncio.timeout(40):
                    await manager.open()
            except SockwaveError as error:
                return error
    return None


async def test_4_1_client_sends_the_headers_that_are_required() -> None:
    peer = Peer(*GOOD.items())
    assert await attempt(peer) is None
    [head] = peer.heads
    assert re.match(r"GET /socket\.io/\?\S+ HTTP/1\.1\r\n", head)
    assert header(head, "Host").startswith("127.0.0.1:")
    assert header(head, "Upgrade").lower() == "websocket"
    assert "upgrade" in header(head, "Connection").lower()
    assert header(head, "Sec-WebSocket-Version") == "13"


async def test_4_1_client_makes_a_new_key_of_16_octets_each_time() -> None:
    keys = set()
    for _ in range(3):
        peer = Peer(*GOOD.items())
        await attempt(peer)
        key = header(peer.heads[0], "Sec-WebSocket-Key")
        assert len(base64.b64decode(key, validate=True)) == 16
        keys.add(key)
    assert len(keys) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"Upgrade": "WebSocket", "Connection": "keep-alive, upgrade"},
        {"Sec-WebSocket-Protocol": "b"},
        {"Sec-WebSocket-Extensions": "permessage-deflate"},
        {"Sec-WebSocket-Extensions": "permessage-deflate; server_no_context_takeover"},
    ],
)
async def test_4_1_client_takes_a_good_answer(changes: dict[str, str]) -> None:
    assert await attempt(Peer(*{**GOOD, **changes}.items()), protocols=["a", "b"]) is None


BAD: dict[str, dict[str, str | None]] = {
    "no Upgrade": {"Upgrade": None},
    "other Upgrade": {"Upgrade": "h2c"},
    "no Connection": {"Connection": None},
    "other Connection": {"Connection": "keep-alive"},
    "no accept": {"Sec-WebSocket-Accept": None},
    "wrong accept": {"Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
    "accept in another case": {"Sec-WebSocket-Accept": "S3PPLMBITXAQ9KYGZZHZRBK+XOO="},
    "subprotocol that was not offered": {"Sec-WebSocket-Protocol": "c"},
    "two subprotocols": {"Sec-WebSocket-Protocol": "a, b"},
    "subprotocol in another case": {"Sec-WebSocket-Protocol": "A"},
    "extension that was not offered": {"Sec-WebSocket-Extensions": "x"},
    "an extension besides": {"Sec-WebSocket-Extensions": "permessage-deflate, x"},
    "malformed extension": {"Sec-WebSocket-Extensions": "permessage-deflate; ="},
}


@pytest.mark.parametrize("name", BAD)
async def test_4_1_client_fails_the_connection_on_a_bad_answer(name: str) -> None:
    fields = [(key, value) for key, value in {**GOOD, **BAD[name]}.items() if value is not None]
    error = await attempt(Peer(*fields), protocols=["a", "b"])
    assert isinstance(error, TransportError)


async def test_4_1_client_fails_on_any_extension_when_it_offered_none() -> None:
    peer = Peer(*GOOD.items(), ("Sec-WebSocket-Extensions", "permessage-deflate"))
    error = await attempt(peer, per_message_deflate=None)
    assert isinstance(error, TransportError)
    assert "Sec-WebSocket-Extensions" not in peer.heads[0]


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "401 Unauthorized", "503 Busy"])
async def test_4_1_client_takes_no_other_status(status: str) -> None:
    error = await attempt(Peer(*GOOD.items(), ("Content-Length", "0"), status=status))
    assert isinstance(error, TransportError)
    assert error.status == int(status[:3])
