"""Any bytes, in any segments, from a server to a client behind the 101 of its WebSocket.

Nothing may come out of the protocol, and no line of level ERROR into the log; what the client sends
is masked frames; with the connection gone it ends by itself and leaves no task.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Self
from unittest.mock import patch

from fuzz.stream import FakeTcp, Problems, ScriptLoop, read_script, turns
from sockwave import Deflate, Manager
from sockwave.codec.deflate import PerMessageDeflate
from sockwave.codec.message_reader import MessageReader
from sockwave.engine.client import http as client_http
from sockwave.engine.client.http import Upgraded

if TYPE_CHECKING:
    from sockwave import ClientSocket

__all__ = ["ClientTarget"]

_MAX_MESSAGE: Final = 4_000


class _FakeHttp:
    """Stands where aiohttp does its handshake."""

    tcp: FakeTcp

    def __init__(self, *_: Any) -> None: ...

    async def prepare(self) -> None:
        """Nothing is asked for."""

    async def upgrade(self, sid: str | None) -> Upgraded:
        """A WebSocket whose server is the script."""
        return Upgraded(self.tcp, b"", lambda: None, PerMessageDeflate(Deflate()))

    async def aclose(self) -> None:
        """Nothing to close."""


class ClientTarget:
    """A new client for each input."""

    def __init__(self) -> None:
        self._loop = ScriptLoop()
        asyncio.set_event_loop(self._loop)
        self._problems = Problems(self._loop)

    def __call__(self, data: bytes) -> None:
        """Play a script."""
        with patch.object(client_http, "HttpClient", _FakeHttp):
            self._loop.run_until_complete(self._play(data))

    async def _play(self, data: bytes) -> None:
        tcp = _FakeHttp.tcp = FakeTcp(self._loop)
        manager = Manager(
            "http://a.example",
            transports=["websocket"],
            reconnection=False,
            max_payload=_MAX_MESSAGE,
        )
        for namespace in ("/", "/admin"):
            _listen(manager.socket(namespace))
        await turns(4)
        for letter, segments in read_script(data):
            await turns(2)
            if letter == "h":
                await self._loop.pass_time(30.0)
            else:
                tcp.obey(letter)
            for segment in segments:
                tcp.bring(segment)
        await turns(3)
        tcp.lose(None)
        await turns(8)
        assert not manager.is_open, "the client goes on without a connection"
        await manager.close()
        await turns(2)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        assert not tasks, f"a task is left: {tasks}"
        reader = MessageReader(
            _Ignored(), is_server=True, max_message=2**20, deflate=PerMessageDeflate(Deflate())
        )
        assert not reader.feed(b"".join(tcp.written))
        self._problems.check()


def _listen(socket: ClientSocket) -> None:
    def echo(*args: Any) -> Any:
        socket.emit("echoed", *args)
        return args

    async def later(*args: Any) -> Any:
        await asyncio.sleep(0)
        return args

    socket.on("echo", echo)
    socket.on("later", later)
    socket.on("connect", lambda: socket.emit("question", ack=lambda *_: None))


class _Ignored:
    @property
    def receiver(self) -> Self:
        """Of messages."""
        return self

    def text_received(self, data: bytes) -> None:
        """Must be text."""
        data.decode()

    def binary_received(self, data: bytes) -> None:
        """Anything."""

    ping_received = pong_received = binary_received

    def close_received(self, code: int, reason: str) -> None:
        """The reader has checked it."""
