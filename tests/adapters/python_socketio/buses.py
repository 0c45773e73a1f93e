"""A channel inside one process, on which python-socketio's own code and ours meet."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import socketio
from socketio.async_pubsub_manager import AsyncPubSubManager

from sockwave.adapters.python_socketio.messages import CallbackMessage, decode_bus_message
from sockwave.adapters.python_socketio.node import PythonSocketIONode
from sockwave.types import SocketId
from tests.adapters.fakes import FakeClusterNamespace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class FakeChannel:
    """Brings each message to everybody, its sender included, as Redis does."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.theirs: list[Theirs] = []
        self.ours: list[Ours] = []

    def publish(self, message: bytes) -> None:
        self.messages.append(message)
        for each in self.theirs:
            each.manager.arrived.put_nowait(message)
        for ours in self.ours:
            asyncio.get_running_loop().call_soon(ours.received, message)

    @property
    def last(self) -> Any:
        """The last message, as its receivers read it."""
        return json.loads(self.messages[-1])


class Manager(AsyncPubSubManager):  # type: ignore[misc] # it has no types
    """The real one, but for Redis below it."""

    def __init__(self, channel: FakeChannel, **options: Any) -> None:
        super().__init__(**options)
        self.fake_channel = channel
        self.arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def _publish(self, data: Any) -> None:
        self.fake_channel.publish(json.dumps(data).encode())

    async def _listen(self) -> AsyncIterator[bytes]:
        while True:
            yield await self.arrived.get()


class Theirs:
    """A server of python-socketio, with clients that keep what is sent to them."""

    def __init__(self, channel: FakeChannel) -> None:
        self.manager = Manager(channel)
        self.io = socketio.AsyncServer(client_manager=self.manager, async_mode="asgi")
        self.io._send_eio_packet = self._sent
        self.io._send_packet = self._sent_with_id
        self.got: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, Any]] = []
        self._eio: dict[str, str] = {}
        channel.theirs.append(self)

    async def _sent(self, eio_sid: str, packet: Any) -> None:
        self.got[self._eio[eio_sid]].append(packet.data)

    async def _sent_with_id(self, eio_sid: str, packet: Any) -> None:
        if packet.id is not None:
            self.asked.append((self._eio[eio_sid], packet.id))
        self.got[self._eio[eio_sid]].append(packet.data)

    async def client(self, *rooms: Any, namespace: str = "/") -> str:
        """Connect one."""
        eio_sid = f"eio-{len(self._eio)}"
        sid: str = await self.manager.connect(eio_sid, namespace)
        self._eio[eio_sid] = sid
        self.got[sid] = []
        for room in rooms:
            await self.manager.enter_room(sid, namespace, room)
        return sid

    def begin(self) -> None:
        """Listen, as at the first request."""
        self.io.manager.set_server(self.io)
        self.io.manager_initialized = True
        self.manager.initialize()

    async def end(self) -> None:
        """Listen no longer."""
        self.manager.thread.cancel()
        await asyncio.gather(self.manager.thread, return_exceptions=True)


class Ours:
    """A process of ours; see `Bus`."""

    is_deaf = False

    def __init__(self, channel: FakeChannel, *sockets: str, namespace: str = "/") -> None:
        self.host = f"{len(channel.ours):032x}"
        self.channel = channel
        self.started: set[str] = set()
        self.namespace = FakeClusterNamespace(*sockets, name=namespace)
        self.node = PythonSocketIONode(self.namespace, self)
        self.namespace.adapter = self.node  # type: ignore[assignment] # it has rooms, too
        for socket in self.namespace.sockets:
            self.node.add(socket, [socket])
        channel.ours.append(self)

    def start(self, node: PythonSocketIONode) -> None:
        self.started.add(node.name)

    def stop(self, node: PythonSocketIONode) -> None:
        self.started.discard(node.name)

    def publish(self, message: bytes) -> None:
        self.channel.publish(message)

    async def count(self) -> int:
        return len(self.channel.theirs) + len(self.channel.ours)

    def received(self, data: bytes) -> None:
        message = decode_bus_message(data)
        is_own = message.host == self.host
        if is_own == isinstance(message, CallbackMessage) and message.namespace == self.node.name:
            self.node.take(message)

    def put(self, socket: str, *rooms: str) -> None:
        """Put a socket into rooms."""
        self.node.add(SocketId(socket), rooms)

    def packets(self, socket: str) -> list[list[str]]:
        """What a socket has got: packets of Socket.IO, with their attachments."""
        packets = self.namespace[socket].packets
        return [[head.removeprefix("4"), *attachments] for head, *attachments in packets]
