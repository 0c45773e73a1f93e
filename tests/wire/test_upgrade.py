"""From polling to a WebSocket (docs/protocol/upgrade.md)."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from sockwave import Server, Socket
from sockwave.codec.websocket import Opcode
from tests.support.apps import Ends, echo_engine, echo_server, the_session, the_socket
from tests.support.raw import UNIT, Closed, PollingPeer, RawWebSocket, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sockwave import Engine
    from tests.support.fronts import Front, Wire


class Trial(NamedTuple):
    """A session on polling with a second transport open."""

    wire: Wire
    engine: Engine
    ends: Ends
    peer: PollingPeer
    websocket: RawWebSocket

    def is_upgraded(self) -> bool:
        return the_session(self.engine).upgraded

    async def echo_on_polling(self) -> None:
        """See that the session goes on where it was."""
        await self.peer.send("4still here")
        assert await self.peer.receive() == "4still here"
        assert self.ends == []

    async def probe(self) -> None:
        self.websocket.send("2probe")
        assert await self.websocket.receive() == "3probe"

    async def upgrade(self) -> None:
        await self.probe()
        self.websocket.send("5")
        await until(self.is_upgraded)


async def open_second(wire: Wire, peer: PollingPeer) -> RawWebSocket:
    return await wire.websocket(wire.target("websocket", sid=peer.sid))


@asynccontextmanager
async def trial(front: Front, **options: Any) -> AsyncIterator[Trial]:
    engine, ends = echo_engine(**options)
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        yield Trial(wire, engine, ends, peer, await open_second(wire, peer))


async def test_session_moves_to_the_websocket(every_front: Front) -> None:
    async with trial(every_front) as t:
        await t.probe()
        t.websocket.send("5")
        t.websocket.send("4hello")
        assert await t.websocket.receive() == "4hello"
        session = the_session(t.engine)
        assert (session.id, session.transport.name) == (t.peer.sid, "websocket")
        assert t.ends == []


async def test_application_hears_of_the_upgrade_and_keeps_its_request(front: Front) -> None:
    async with trial(front) as t:
        session = the_session(t.engine)
        names: list[str] = []
        session.on("upgrade", lambda transport: names.append(transport.name))
        await t.upgrade()
        assert names == ["websocket"]
        assert session.request.query["transport"] == "polling"


async def test_waiting_poll_is_freed_by_a_noop(front: Front) -> None:
    async with trial(front) as t:
        t.peer.gets.send("GET", t.peer.target)
        await until(lambda: the_session(t.engine).is_writable)
        await t.probe()
        assert (await t.peer.gets.read()).body == b"6"


async def test_polls_are_freed_again_and_again_until_the_upgrade(front: Front) -> None:
    async with trial(front) as t:
        await t.probe()
        for _ in range(3):
            assert (await t.peer.poll()).body == b"6"
        t.websocket.send("5")
        await until(t.is_upgraded)


async def test_upgrade_without_a_probe_is_taken(front: Front) -> None:
    async with trial(front) as t:
        t.websocket.send("5")
        t.websocket.send("4a")
        assert await t.websocket.receive() == "4a"


async def test_upgrade_that_was_not_announced_is_taken(front: Front) -> None:
    async with trial(front, allow_upgrades=False) as t:
        await t.upgrade()


@pytest.mark.parametrize("packet", ["2", "4hello", "3", "garbage", "", b"\x00", "2probing"])
async def test_other_packets_end_the_trial_only(front: Front, packet: str | bytes) -> None:
    async with trial(front) as t:
        t.websocket.send(packet)
        await t.websocket.closed()
        await t.echo_on_polling()
        second = await open_second(t.wire, t.peer)
        second.send("2probe")
        assert await second.receive() == "3probe"
        second.send("5")
        await until(t.is_upgraded)


async def test_broken_frame_ends_the_trial_only(native_front: Front) -> None:
    async with trial(native_front) as t:
        t.websocket.http.write(b"\x83\x80\x00\x00\x00\x00")
        assert (await t.websocket.closed()).code == 1002
        await t.echo_on_polling()


async def test_probe_may_be_repeated(front: Front) -> None:
    async with trial(front) as t:
        await t.probe()
        await t.upgrade()
        t.websocket.send("4hello")
        assert await t.websocket.receive() == "4hello"


@pytest.mark.parametrize("packet", [b"2probe\xff", b"5\xff", b"\xff", b"4\xff"])
async def test_text_that_is_not_utf8_ends_the_trial_only(
    native_front: Front, packet: bytes
) -> None:
    async with trial(native_front) as t:
        t.websocket.frame(Opcode.TEXT, packet)
        assert (await t.websocket.closed()).code == 1007
        await t.echo_on_polling()


@pytest.mark.parametrize("is_probed", [False, True])
async def test_second_transport_that_closes_ends_the_trial_only(
    front: Front, is_probed: bool
) -> None:
    async with trial(front) as t:
        if is_probed:
            await t.probe()
        await t.websocket.close(1000)
        await t.echo_on_polling()
        await until(lambda: the_session(t.engine).state.name == "OPEN")
        second = await open_second(t.wire, t.peer)
        second.send("5")
        await until(t.is_upgraded)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_client_that_leaves_in_the_middle_of_the_upgrade_is_gone_soon(
    front: Front, how: str
) -> None:
    """As a browser that leaves the page: no poll is open that could break off."""
    async with trial(front, upgrade_timeout=10 * UNIT) as t:
        await t.probe()
        if how == "close":
            await t.websocket.close(1001)
        else:
            t.websocket.http.reset()
        await until(lambda: t.ends)
        assert t.ends == [("transport close", "gone in the middle of an upgrade")]


@pytest.mark.parametrize("is_probed", [False, True])
async def test_second_transport_that_is_too_slow_is_closed(front: Front, is_probed: bool) -> None:
    async with trial(front, upgrade_timeout=2 * UNIT) as t:
        if is_probed:
            await t.probe()
        await t.websocket.closed()
        await t.echo_on_polling()


@pytest.mark.parametrize("is_upgraded", [False, True])
async def test_another_second_transport_is_turned_away(front: Front, is_upgraded: bool) -> None:
    async with trial(front) as t:
        if is_upgraded:
            await t.upgrade()
        third = await open_second(t.wire, t.peer)
        third.send("2probe")
        await third.closed()
        if not is_upgraded:
            await t.upgrade()
        t.websocket.send("4a")
        assert await t.websocket.receive() == "4a"
        assert t.ends == []


async def test_second_transport_for_a_session_on_websocket_is_turned_away(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        second = await wire.websocket(wire.target("websocket", sid=peer.sid))
        await second.closed()
        await peer.send("4a")
        assert await peer.receive() == "4a"
        assert ends == []


# --- closed by the server while upgrading ---------------------------------------------------------


def disconnect(io: Server) -> None:
    the_socket(io).disconnect(close=True)


def close_session(io: Server) -> None:
    the_socket(io).conn.close()


KICKS = pytest.mark.parametrize("kick", [disconnect, close_session])


@asynccontextmanager
async def joined(front: Front) -> AsyncIterator[tuple[Server, Ends, Wire, PollingPeer]]:
    """A client of Socket.IO on polling, without a poll waiting."""
    io, ends = echo_server(allow_eio3=True)
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        yield io, ends, wire, peer


async def end_on(websocket: RawWebSocket) -> list[str]:
    """All messages up to the end, which must be in order."""
    messages = []
    while not isinstance(message := await websocket.receive(), Closed):
        assert isinstance(message, str)
        messages.append(message)
    assert message.code in (1005, 1000)  # the latter by ASGI
    return messages


@KICKS
@pytest.mark.parametrize("step", ["opened", "probed", "upgraded"])
async def test_client_closed_while_upgrading_hears_it_on_the_second_transport(
    front: Front, kick: Callable[[Server], None], step: str
) -> None:
    async with joined(front) as (io, ends, wire, peer):
        websocket = await open_second(wire, peer)
        rest = {"opened": ["2probe", "5"], "probed": ["5"], "upgraded": []}[step]
        for packet in ["2probe", "5"][: 2 - len(rest)]:
            websocket.send(packet)
        if step != "opened":
            assert await websocket.receive() == "3probe"
        if step == "upgraded":
            await until(lambda: the_socket(io).conn.upgraded)
        the_socket(io).emit("last")
        kick(io)
        for packet in rest:
            websocket.send(packet)
        heard = ["3probe"] * (step == "opened")
        heard += ['42["last"]', *["41"] * (kick is disconnect)]
        assert await end_on(websocket) == heard
        assert [reason for reason, _ in ends] == [
            "server namespace disconnect" if kick is disconnect else "forced close"
        ]
        assert (await peer.poll()).json()["message"] == "Session ID unknown"


async def test_upgrade_may_begin_after_the_server_has_closed(front: Front) -> None:
    async with joined(front) as (io, _, wire, peer):
        disconnect(io)
        websocket = await open_second(wire, peer)
        third = await open_second(wire, peer)
        await third.closed()
        websocket.send("2probe")
        websocket.send("5")
        assert await end_on(websocket) == ["3probe", "41"]


async def test_client_closed_while_upgrading_may_also_poll_for_it(front: Front) -> None:
    async with joined(front) as (io, _, wire, peer):
        websocket = await open_second(wire, peer)
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        disconnect(io)
        assert (await peer.poll()).text == "41"
        assert (await peer.poll()).text == "6\x1e1"
        assert await end_on(websocket) == []


async def test_poll_that_waits_while_upgrading_has_the_end(front: Front) -> None:
    async with trial(front) as t:
        await t.probe()
        assert (await t.peer.poll()).body == b"6"
        t.peer.gets.send("GET", t.peer.target)
        await until(lambda: the_session(t.engine).is_writable)
        the_session(t.engine).close()
        assert (await t.peer.gets.read()).text == "1"
        assert await end_on(t.websocket) == []
        assert t.ends == [("forced close", "")]


async def test_second_transport_that_fails_leaves_the_end_to_polling(front: Front) -> None:
    async with joined(front) as (io, _, wire, peer):
        websocket = await open_second(wire, peer)
        disconnect(io)
        websocket.send("garbage")
        await websocket.closed()
        assert (await peer.poll()).text == "41"
        assert (await peer.poll()).text == "6\x1e1"


async def test_client_sends_in_vain_on_the_way_over_of_a_closed_session(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        session = the_session(engine)
        messages: list[str] = []
        session.on("message", messages.append)
        websocket = await open_second(wire, peer)
        session.close()
        for packet in ("2probe", "5", "4late"):
            websocket.send(packet)
        assert await end_on(websocket) == ["3probe"]
        assert messages == []


async def test_old_client_closed_while_upgrading_hears_it_on_the_second_transport(
    front: Front,
) -> None:
    async with joined(front) as (io, _, wire, _):
        the_socket(io).disconnect()
        gets = await wire.http()
        target = wire.target("polling", "3")
        first = (await gets.get(target)).text
        sid = json.loads(first[first.index("{") : first.index("}") + 1])["sid"]
        while "2:40" not in first:  # an id may have 40 in it
            first += (await gets.get(f"{target}&sid={sid}")).text
        websocket = await wire.websocket(wire.target("websocket", "3", sid=sid))
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        disconnect(io)
        websocket.send("5")
        assert await end_on(websocket) == ["41"]


async def test_client_that_closes_takes_the_second_transport_along(front: Front) -> None:
    async with trial(front) as t:
        await t.probe()
        await t.peer.post("1")
        await t.websocket.closed()
        assert t.ends == [("transport close", "")]


async def test_poll_after_the_upgrade_is_refused_and_the_session_goes_on(front: Front) -> None:
    async with trial(front) as t:
        await t.upgrade()
        assert (await t.peer.poll()).json() == {"code": 3, "message": "Bad request"}
        assert (await t.peer.post("4a")).json() == {"code": 3, "message": "Bad request"}
        t.websocket.send("4b")
        assert await t.websocket.receive() == "4b"


async def test_poll_that_waits_during_the_upgrade_is_answered(front: Front) -> None:
    async with trial(front) as t:
        t.peer.gets.send("GET", t.peer.target)
        await until(lambda: the_session(t.engine).is_writable)
        t.websocket.send("5")
        assert (await t.peer.gets.read()).body == b"1"
        t.websocket.send("4a")
        assert await t.websocket.receive() == "4a"
        assert t.ends == []


async def test_post_that_is_uploading_during_the_upgrade_is_cut(front: Front) -> None:
    async with trial(front) as t:
        t.peer.posts.send("POST", t.peer.target, {"Content-Length": "10"}, b"4he")
        await asyncio.sleep(UNIT / 2)
        await t.upgrade()
        assert await t.peer.posts.is_closed()
        t.websocket.send("4a")
        assert await t.websocket.receive() == "4a"
        assert t.ends == []


async def test_packets_sent_during_the_trial_go_to_the_waiting_poll(front: Front) -> None:
    async with trial(front) as t:
        await t.probe()
        t.peer.gets.send("GET", t.peer.target)
        the_session(t.engine).send("now")
        packets = (await t.peer.gets.read()).text
        if packets == "6":  # the noop was faster
            packets = (await t.peer.poll()).text
        assert packets == "4now"


async def test_packets_that_wait_go_out_on_the_websocket_once(front: Front) -> None:
    async with trial(front) as t:
        await t.probe()
        for word in ("a", "b"):
            the_session(t.engine).send(word)
            await asyncio.sleep(0)
        t.websocket.send("5")
        assert await t.websocket.receive() == "4a"
        assert await t.websocket.receive() == "4b"
        t.websocket.send("4c")
        assert await t.websocket.receive() == "4c"


async def test_close_after_the_upgrade_comes_on_the_websocket(front: Front) -> None:
    async with trial(front) as t:
        await t.upgrade()
        the_session(t.engine).send("last")
        the_session(t.engine).close()
        assert await t.websocket.receive() == "4last"
        await t.websocket.closed()
        assert t.ends == [("forced close", "")]


async def test_client_that_leaves_after_the_upgrade_is_gone(front: Front) -> None:
    async with trial(front) as t:
        await t.upgrade()
        await t.websocket.close(1000)
        await until(lambda: t.ends)
        assert t.ends[0][0] == "transport close"


async def test_handler_that_drains_during_the_upgrade_goes_on_after_it(front: Front) -> None:
    io = Server()
    drained = asyncio.Event()

    @io.on("connection")
    async def connection(socket: Socket) -> None:
        socket.emit("many")
        await socket.drain()
        drained.set()

    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        websocket = await open_second(wire, peer)
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        await peer.send("40")
        await until(lambda: bool(io.sockets))
        assert not drained.is_set()  # there is no poll that could take it
        websocket.send("5")
        assert (await websocket.receive())[:2] == "40"
        assert await websocket.receive() == '42["many"]'
        await drained.wait()


async def test_messages_keep_their_order_across_the_upgrade(every_front: Front) -> None:
    """100 messages each way, half of them before it, while the client goes through all steps."""
    io, _ = echo_server()
    got: list[int] = []
    io.event("up")(lambda socket, number: got.append(number))
    up = [f'42["up",{number}]' for number in range(100)]
    down = [f'42["down",{number}]' for number in range(100)]

    async def count() -> None:
        socket = the_socket(io)
        for number in range(100):
            socket.emit("down", number)
            await asyncio.sleep(UNIT / 25)

    async with every_front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        counting = asyncio.create_task(count())
        await peer.send(*up[:25])
        received = (await peer.poll()).text.split("\x1e")
        websocket = await open_second(wire, peer)
        websocket.send("2probe")
        await peer.send(*up[25:50])
        assert await websocket.receive() == "3probe"
        while (polled := (await peer.poll()).text) != "6":
            received += polled.split("\x1e")
        websocket.send("5")
        for packet in up[50:]:
            websocket.send(packet)
        while len(received) < 100:
            received.append(await websocket.receive_text())
        await counting
        await until(lambda: len(got) == 100)
        assert received == down
        assert got == list(range(100))


async def test_open_poll_carries_volatile_events_until_the_probe_is_answered(
    front: Front,
) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        socket = the_socket(io)
        websocket = await open_second(wire, peer)
        peer.gets.send("GET", peer.target)
        await until(lambda: socket.conn.is_writable)
        socket.volatile.emit("by the poll")
        assert (await peer.gets.read()).text == '42["by the poll"]'
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        socket.volatile.emit("left out")
        websocket.send("5")
        await until(lambda: socket.conn.upgraded)
        socket.volatile.emit("by the websocket")
        assert await websocket.receive() == '42["by the websocket"]'


async def test_volatile_event_between_probe_and_upgrade_is_left_out(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        socket = the_socket(io)
        websocket = await open_second(wire, peer)
        peer.gets.send("GET", peer.target)
        await until(lambda: socket.conn.is_writable)
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        assert (await peer.gets.read()).text == "6", "the poll is freed"
        socket.volatile.emit("left out")
        socket.emit("waits")
        io.volatile.emit("left out")
        websocket.send("5")
        assert await websocket.receive() == '42["waits"]'
        socket.volatile.emit("behind it")
        assert await websocket.receive() == '42["behind it"]'
