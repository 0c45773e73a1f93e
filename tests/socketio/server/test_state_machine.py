"""Clients come, join, talk, move, are lost and come back, in any order: what each of them gets is
what a model of rooms and queues says (row Z5 of docs/security.md).

The model is `Membership` and the lists of it in `World`. Clients speak raw packets over TCP.
`SOCKWAVE_STATE_RUNS=10000` runs it longer.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from sockwave import Server, Socket
from tests.support.fronts import FRONTS
from tests.support.raw import PollingPeer, WebSocketPeer, until, within

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.support.fronts import Wire

RUNS: Final = int(os.environ.get("SOCKWAVE_STATE_RUNS", "40"))
STEPS: Final = 50
MOST_CLIENTS: Final = 4

NAMESPACES: Final = ("/", "/a")
ROOMS: Final = ("r", "s")
PACKET: Final = re.compile(r"4([0-6])(?:(/[^,]*),)?(\d*)(.*)", re.DOTALL)

namespaces = st.sampled_from(NAMESPACES)
rooms = st.sampled_from(ROOMS)


class Membership:
    """A socket as its client sees it, and what is on its way to it.

    Attributes:
        expected: Numbers of the events that it has not read yet, in their order.
        offset: Of the last event it has read; with its `pid` that is what brings it back.
        is_here: False while its connection is lost.
    """

    def __init__(self, sid: str, pid: str) -> None:
        self.sid, self.pid = sid, pid
        self.offset: str | None = None
        self.rooms: set[str] = set()
        self.expected: list[int] = []
        self.is_here = True


class Client:
    """A connection, and the sockets that it carries, by namespace."""

    def __init__(self, peer: PollingPeer | WebSocketPeer) -> None:
        self.peer: PollingPeer | WebSocketPeer | None = peer
        self.memberships: dict[str, Membership] = {}
        self.replies: dict[str, str] = {}
        self.acks: dict[tuple[str, int], str] = {}

    async def read_until(self, condition: Callable[[], object]) -> None:
        """Read packets, and compare the events among them with what is expected."""
        while not condition():
            assert self.peer is not None
            packet = await self.peer.receive()
            assert isinstance(packet, str)
            found = PACKET.fullmatch(packet)
            assert found, packet
            kind, namespace, id_, data = found[1], found[2] or "/", found[3], found[4]
            if kind == "2":
                name, number, *offset = json.loads(data)
                membership = self.memberships[namespace]
                assert membership.expected.pop(0) == number
                if name == "question":
                    await self.peer.send(f"43{prefix(namespace)}{id_}[{number}]")
                else:
                    [membership.offset] = offset
            elif kind == "3":
                self.acks[namespace, int(id_)] = data
            else:
                self.replies[namespace] = data

    async def connect(self, namespace: str, auth: dict[str, str] | None = None) -> dict[str, str]:
        """CONNECT; events may come before the reply of another namespace only."""
        assert self.peer is not None
        text = "" if auth is None else json.dumps(auth)
        await self.peer.send(f"40{prefix(namespace)}{text}")
        await self.read_until(lambda: namespace in self.replies)
        reply: dict[str, str] = json.loads(self.replies.pop(namespace))
        return reply


def prefix(namespace: str) -> str:
    return "" if namespace == "/" else f"{namespace},"


class World(RuleBasedStateMachine):
    """A server, its clients, and the model of both."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=FRONTS["native"].loop_factory)
        self.stack = AsyncExitStack()
        self.clients: list[Client] = []
        self.lost: list[Client] = []
        self.counter = 0
        self.answers: list[Any] = []
        self.io = Server(connection_state_recovery=True)
        for name in NAMESPACES:
            self.io.of(name).on("connection", _connected)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(within(coroutine))

    def next(self) -> int:
        self.counter += 1
        return self.counter

    def client(self, data: st.DataObject) -> Client:
        return data.draw(st.sampled_from(self.clients))

    def member(self, data: st.DataObject) -> tuple[Client, str, Membership]:
        """Some socket that is connected."""
        every = [(c, n, m) for c in self.clients for n, m in c.memberships.items()]
        return data.draw(st.sampled_from(every))

    def has_members(self) -> bool:
        return any(client.memberships for client in self.clients)

    # --- coming and going -------------------------------------------------------------------------

    @initialize()
    def listen(self) -> None:
        self.wire: Wire = self.run(self.stack.enter_async_context(FRONTS["native"].serve(self.io)))

    @precondition(lambda self: len(self.clients) + len(self.lost) < MOST_CLIENTS)
    @rule(transport=st.sampled_from(["polling", "websocket"]), namespace=namespaces)
    def client_opens(self, transport: str, namespace: str) -> None:
        async def open_() -> Client:
            client = Client(await self.wire.open(transport))  # type: ignore[arg-type] # one of two
            await self._join(client, namespace)
            return client

        self.clients.append(self.run(open_()))

    async def _join(self, client: Client, namespace: str) -> None:
        reply = await client.connect(namespace)
        client.memberships[namespace] = Membership(reply["sid"], reply["pid"])

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), namespace=namespaces)
    def client_joins_a_namespace(self, data: st.DataObject, namespace: str) -> None:
        client = self.client(data)
        if namespace not in client.memberships:
            self.run(self._join(client, namespace))

    @precondition(has_members)
    @rule(data=st.data())
    def client_leaves_a_namespace(self, data: st.DataObject) -> None:
        client, namespace, membership = self.member(data)

        async def leave() -> None:
            await client.read_until(lambda: not membership.expected)
            assert client.peer is not None
            await client.peer.send(f"41{prefix(namespace)}")
            await until(lambda: membership.sid not in self.io.of(namespace).sockets)

        self.run(leave())
        del client.memberships[namespace]

    @precondition(lambda self: any(isinstance(c.peer, PollingPeer) for c in self.clients))
    @rule(data=st.data())
    def client_upgrades(self, data: st.DataObject) -> None:
        polling = [c for c in self.clients if isinstance(c.peer, PollingPeer)]
        client = data.draw(st.sampled_from(polling))

        async def upgrade() -> None:
            old = client.peer
            assert isinstance(old, PollingPeer)
            # What a poll has brought is read first: it was sent by the old transport.
            await client.read_until(
                lambda: not any(m.expected for m in client.memberships.values())
            )
            websocket = await self.wire.websocket(self.wire.target("websocket", sid=old.sid))
            websocket.send("2probe")
            assert await websocket.receive_text() == "3probe"
            websocket.send("5")
            client.peer = WebSocketPeer(websocket, f"0{json.dumps(old.handshake)}")
            await until(lambda: self.io.engine.sessions[old.sid].transport.name == "websocket")

        self.run(upgrade())

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), politely=st.booleans())
    def connection_is_lost(self, data: st.DataObject, politely: bool) -> None:
        client = self.client(data)

        async def lose() -> None:
            peer, client.peer = client.peer, None
            assert peer is not None
            if isinstance(peer, PollingPeer):
                await peer.send("1")
            elif politely:
                await peer.websocket.close(1000)
            else:
                peer.websocket.http.reset()
            await until(lambda: peer.sid not in self.io.engine.sessions)

        self.run(lose())
        self.clients.remove(client)
        for membership in client.memberships.values():
            membership.is_here = False
        if client.memberships:
            self.lost.append(client)

    @precondition(lambda self: self.lost)
    @rule(data=st.data(), transport=st.sampled_from(["polling", "websocket"]))
    def client_comes_back(self, data: st.DataObject, transport: str) -> None:
        client = data.draw(st.sampled_from(self.lost))
        self.lost.remove(client)
        self.clients.append(client)
        client.replies.clear()

        async def come_back() -> None:
            client.peer = await self.wire.open(transport)  # type: ignore[assignment] # one of two
            old, client.memberships = client.memberships, {}
            for namespace, membership in old.items():
                await self._recover(client, namespace, membership)

        self.run(come_back())

    async def _recover(self, client: Client, namespace: str, old: Membership) -> None:
        """With an offset it is the same socket, and misses nothing; without one it is a new one."""
        if old.offset is None:
            await self._join(client, namespace)
            return
        client.memberships[namespace] = old
        reply = await client.connect(namespace, {"pid": old.pid, "offset": old.offset})
        assert reply["sid"] == old.sid
        old.pid, old.is_here = reply["pid"], True
        socket = self.io.of(namespace).sockets[old.sid]
        assert socket.recovered and socket.rooms == {old.sid, *old.rooms}

    # --- talking ----------------------------------------------------------------------------------

    def reached(self, namespace: str, room: str | None) -> list[Membership]:
        """Who gets a broadcast, now or when it comes back."""
        every = [c.memberships.get(namespace) for c in [*self.clients, *self.lost]]
        return [m for m in every if m is not None and (room is None or room in m.rooms)]

    @rule(namespace=namespaces, room=st.none() | rooms)
    def server_broadcasts(self, namespace: str, room: str | None) -> None:
        async def broadcast(number: int) -> None:
            space = self.io.of(namespace)
            (space if room is None else space.to(room)).emit("event", number)

        number = self.next()
        for membership in self.reached(namespace, room):
            membership.expected.append(number)
        self.run(broadcast(number))

    @precondition(has_members)
    @rule(data=st.data())
    def server_emits(self, data: st.DataObject) -> None:
        _, namespace, membership = self.member(data)

        async def emit(number: int) -> None:
            self._socket(namespace, membership).emit("event", number)

        number = self.next()
        membership.expected.append(number)
        self.run(emit(number))

    @precondition(has_members)
    @rule(data=st.data())
    def server_asks(self, data: st.DataObject) -> None:
        client, namespace, membership = self.member(data)

        async def ask(number: int) -> None:
            socket = self._socket(namespace, membership)
            socket.emit("question", number, ack=self.answers.append)
            await client.read_until(lambda: not membership.expected)
            await until(lambda: self.answers)

        number = self.next()
        membership.expected.append(number)
        self.run(ask(number))
        assert self.answers == [number]
        self.answers.clear()

    def _socket(self, namespace: str, membership: Membership) -> Socket:
        return self.io.of(namespace).sockets[membership.sid]

    @precondition(has_members)
    @rule(data=st.data(), room=rooms, joins=st.booleans())
    def client_asks_for_a_room(self, data: st.DataObject, room: str, joins: bool) -> None:
        client, namespace, membership = self.member(data)
        self.run(self._ask(client, namespace, "join" if joins else "leave", room))
        (membership.rooms.add if joins else membership.rooms.discard)(room)
        assert self._socket(namespace, membership).rooms == {membership.sid, *membership.rooms}

    @precondition(has_members)
    @rule(data=st.data())
    def client_asks(self, data: st.DataObject) -> None:
        client, namespace, membership = self.member(data)
        self.run(self._ask(client, namespace, "echo", self.next()))
        assert not membership.expected  # its answer is behind all that was sent before

    async def _ask(self, client: Client, namespace: str, event: str, value: Any) -> None:
        assert client.peer is not None
        id_ = self.next()
        await client.peer.send(f"42{prefix(namespace)}{id_}{json.dumps([event, value])}")
        await client.read_until(lambda: (namespace, id_) in client.acks)
        assert json.loads(client.acks.pop((namespace, id_))) == [value]

    @precondition(lambda self: any(isinstance(c.peer, WebSocketPeer) for c in self.clients))
    @rule(data=st.data())
    def client_pings(self, data: st.DataObject) -> None:
        peers = [c.peer for c in self.clients if isinstance(c.peer, WebSocketPeer)]
        self.run(data.draw(st.sampled_from(peers)).ping())

    # --- the end ----------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Everybody reads what there is; then nothing may be left."""
        try:
            for client in self.clients:
                members = client.memberships.values()
                self.run(client.read_until(lambda: not any(m.expected for m in members)))  # noqa: B023 # run at once
            here = sum(len(client.memberships) for client in self.clients)
            assert here == sum(len(self.io.of(name).sockets) for name in NAMESPACES)
            assert len(self.clients) == len(self.io.engine.sessions)
        finally:
            self.run(self.stack.aclose())
            self.runner.close()


def _connected(socket: Socket) -> None:
    def join(room: str) -> str:
        socket.join(room)
        return room

    def leave(room: str) -> str:
        socket.leave(room)
        return room

    socket.on("join", join)
    socket.on("leave", leave)
    socket.on("echo", lambda value: value)


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=RUNS, stateful_step_count=STEPS)
