"""Recovery on the wire: what is sent when, and 300 cuts under traffic."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import ConnectError, Recovery, Server, Socket
from tests.support.cuts import BreakingProxy
from tests.support.fronts import Wire
from tests.support.raw import UNIT, PollingPeer, WebSocketPeer, until
from tests.support.traffic import KINDS, Traffic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.fronts import Front
    from tests.support.raw import Peer


def recovering(**options: Any) -> Server:
    return Server(connection_state_recovery=Recovery(**options))


class Page:
    """Does with packets what a JavaScript client does, recovery included.

    Attributes:
        events: All that its handlers got, without offsets.
        recovered: Of each connection to the namespace, whether it continued the one before.
    """

    def __init__(self) -> None:
        self.pid: str | None = None
        self.offset: str | None = None
        self.sid = ""
        self.events: list[Any] = []
        self.recovered: list[bool] = []
        self.connected = False
        self._early: list[list[Any]] = []  # kept over a loss, as there
        self._binary: list[Any] | None = None

    def connect_packet(self) -> str:
        """CONNECT, with what it knows."""
        auth = {"pid": self.pid, "offset": self.offset}
        known = {key: value for key, value in auth.items() if value is not None}
        return f"40{json.dumps(known)}" if known else "40"

    def lost(self) -> None:
        """The connection is over."""
        self.connected = False
        self._binary = None

    def take(self, packet: str | bytes) -> None:
        """Take a packet of the server's."""
        if isinstance(packet, bytes):
            assert self._binary is not None
            event, self._binary = self._binary, None
            assert event[-2] == {"_placeholder": True, "num": 0}
            self._event([*event[:-2], packet, event[-1]])
        elif packet.startswith("40"):
            answer = json.loads(packet[2:])
            self.recovered.append(answer["pid"] == self.pid)
            self.pid, self.sid, self.connected = answer["pid"], answer["sid"], True
            early, self._early = self._early, []
            for event in early:
                self._handle(event)
        elif packet.startswith("451-"):
            self._binary = json.loads(packet[4:])
        else:
            assert packet.startswith("42["), packet
            self._event(json.loads(packet[2:]))

    def _event(self, event: list[Any]) -> None:
        if self.connected:
            self._handle(event)
        else:
            self._early.append(event)

    def _handle(self, event: list[Any]) -> None:
        assert isinstance(event[-1], str)
        self.offset = event.pop()
        self.events.append(event)


async def receive_offset(peer: Peer) -> str:
    """Take the next packet, an event; its offset."""
    packet = await peer.receive()
    assert isinstance(packet, str)
    return str(json.loads(packet[2:])[-1])


def lose(peer: Peer) -> None:
    """Cut the connections of a peer."""
    if isinstance(peer, WebSocketPeer):
        peer.websocket.http.reset()
    else:
        assert isinstance(peer, PollingPeer)
        peer.gets.reset()
        peer.posts.reset()


@asynccontextmanager
async def lost_client(
    io: Server, wire: Wire, transport: str
) -> AsyncIterator[tuple[dict[str, str], dict[str, str]]]:
    """What a client knows that got one event, was lost, and missed two: its ids, and its auth."""
    peer = await wire.open(transport)
    ids = json.loads((await peer.connect())[2:])
    io.emit("1")
    offset = await receive_offset(peer)
    if isinstance(peer, PollingPeer):  # the loss is seen where a request is open
        peer.gets.send("GET", peer.target)
        await asyncio.sleep(UNIT)
    lose(peer)
    await until(lambda: not io.sockets)
    io.emit("2", b"\x02")
    io.emit("3")
    yield ids, {"pid": ids["pid"], "offset": offset}


async def test_secret_is_in_the_reply_and_an_offset_behind_the_arguments(
    front: Front, transport: str
) -> None:
    io = recovering()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        reply = json.loads((await peer.connect())[2:])
        assert list(reply) == ["sid", "pid"]
        assert len(reply["pid"]) == 33
        io.emit("foo", 1)
        packet = await peer.receive()
        assert isinstance(packet, str)
        event = json.loads(packet[2:])
        assert event[:2] == ["foo", 1]
        assert isinstance(event[2], str)


async def test_replay_comes_before_the_reply_in_one_poll(front: Front) -> None:
    io = recovering()
    async with front.serve(io) as wire, lost_client(io, wire, "polling") as (ids, auth):
        peer = await wire.open_polling()
        await peer.send(f"40{json.dumps(auth)}")
        body = (await peer.poll()).text.split("\x1e")
        assert [packet[:8] for packet in body] == ['451-["2"', "bAg==", '42["3","', '40{"sid"']
        assert json.loads(body[-1][2:]) == ids


async def test_replay_comes_behind_the_reply_on_a_websocket(front: Front) -> None:
    io = recovering()
    async with front.serve(io) as wire, lost_client(io, wire, "websocket") as (ids, auth):
        peer = await wire.open_websocket()
        assert json.loads((await peer.connect(auth=auth))[2:]) == ids
        packets = [await peer.receive() for _ in range(3)]
        assert str(packets[0]).startswith('451-["2",')
        assert packets[1] == b"\x02"
        assert str(packets[2]).startswith('42["3",')


async def test_refused_client_gets_its_refusal_and_nothing_else(
    front: Front, transport: str
) -> None:
    io = recovering()

    @io.use
    async def check(socket: Socket) -> None:
        await asyncio.sleep(0)
        if socket.recovered:
            raise ConnectError("banned")

    async with front.serve(io) as wire, lost_client(io, wire, transport) as (_, auth):
        peer = await wire.open(transport)
        assert await peer.connect(auth=auth) == '44{"message":"banned"}'
        io.of("/x")
        assert (await peer.connect("/x")).startswith("40/x,")


async def test_late_client_is_a_new_one_and_misses_what_it_missed(
    front: Front, transport: str
) -> None:
    io = recovering(max_disconnection_duration=2 * UNIT)
    async with front.serve(io) as wire, lost_client(io, wire, transport) as (ids, auth):
        await asyncio.sleep(3 * UNIT)
        peer = await wire.open(transport)
        reply = json.loads((await peer.connect(auth=auth))[2:])
        assert reply["sid"] != ids["sid"]
        assert reply["pid"] != ids["pid"]
        (socket,) = io.sockets.values()
        assert not socket.recovered
        io.emit("4")
        assert str(await peer.receive()).startswith('42["4",')


async def test_secret_alone_is_enough_before_the_first_event(front: Front, transport: str) -> None:
    io = recovering()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        ids = json.loads((await peer.connect())[2:])
        if isinstance(peer, PollingPeer):  # the loss is seen where a request is open
            peer.gets.send("GET", peer.target)
            await asyncio.sleep(UNIT)
        lose(peer)
        await until(lambda: not io.sockets)
        io.emit("1")
        peer = await wire.open(transport)
        await peer.send(f"40{json.dumps({'pid': ids['pid']})}")
        packets = sorted([str(await peer.receive()) for _ in range(2)])
        assert json.loads(packets[0][2:]) == ids
        assert packets[1].startswith('42["1",')


async def test_client_that_is_banned_while_away_is_a_new_one(front: Front, transport: str) -> None:
    io = recovering()
    async with front.serve(io) as wire, lost_client(io, wire, transport) as (ids, auth):
        io.in_(ids["sid"]).disconnect_sockets()
        peer = await wire.open(transport)
        reply = json.loads((await peer.connect(auth=auth))[2:])
        assert reply["sid"] != ids["sid"] and reply["pid"] != ids["pid"]
        io.emit("4")
        assert str(await peer.receive()).startswith('42["4",')


# --- 300 cuts -------------------------------------------------------------------------------------


async def test_more_than_an_answer_holds_comes_behind_the_reply(front: Front) -> None:
    """Else a client that is cut between two answers gets the same events twice."""
    io = recovering()
    async with front.serve(io) as wire:
        async with lost_client(io, wire, "polling") as (ids, auth):
            for _ in range(3):
                io.emit("large", "x" * 100_000)
            peer = await wire.open_polling()
            answer = await peer.connect(auth=auth)
            assert answer.startswith("40") and json.loads(answer[2:])["sid"] == ids["sid"]
            assert str(await peer.receive()).startswith("451-")


LOSS = (OSError, EOFError, AssertionError)
"""What reads and writes of a peer raise when its connection is cut."""


async def stay(page: Page, wire: Wire, transport: str) -> None:
    """Connect and take what comes, until the connection is lost."""
    peer: Peer | None = None
    try:
        try:
            peer = await wire.open(transport)
            await peer.send(page.connect_packet())
        except TimeoutError:
            raise
        except LOSS:
            return
        while True:
            try:
                packet = await peer.receive()
            except TimeoutError:
                raise
            except LOSS:
                return
            page.take(packet)
    finally:
        page.lost()
        if peer is not None:
            lose(peer)


@pytest.mark.parametrize("seed", [1, 2])
async def test_g6_every_event_arrives_once_and_in_order_over_300_cuts(
    native: Front, transport: str, seed: int
) -> None:
    chance = random.Random(seed)
    io = recovering()
    page = Page()
    traffic = Traffic(io, chance, page.events)

    async def come_back(wire: Wire) -> None:
        while True:
            await stay(page, wire, transport)

    async with native.serve(io) as direct:
        proxy = BreakingProxy(direct.host, direct.port)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(proxy.running())
            wire = Wire("127.0.0.1", proxy.port, direct.path)
            stack.push_async_callback(wire.aclose)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            tasks = [group.create_task(traffic.run()), group.create_task(come_back(wire))]
            await until(lambda: page.events)
            while proxy.cuts < 300:
                if chance.random() < 0.5:
                    if chance.random() < 0.5:
                        await until(lambda: page.connected)
                    await asyncio.sleep(chance.random() * 0.02)
                    proxy.cut()
                else:
                    proxy.cut_after(chance.choice([1, 300, 1_000, 30_000]) + chance.randrange(300))
                    await proxy.next_cut()
            tasks[0].cancel()
            await until(lambda: len(page.events) >= traffic.sent and page.connected)
            await asyncio.sleep(2 * UNIT)
            tasks[1].cancel()
    assert [event[1] for event in page.events] == list(range(traffic.sent))
    assert page.recovered[0] is False
    assert all(page.recovered[1:])
    assert len(page.recovered) > 40, "at least a quarter of the cuts came while it was connected"
    assert len(traffic.kinds) == len(KINDS)
