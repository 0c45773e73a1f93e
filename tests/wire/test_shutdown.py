"""How a server stops: last words and goodbyes, in time, for everybody; nothing is left."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from sockwave import Server, Socket
from sockwave.engine import Limits
from tests.support.apps import echo_engine, echo_server, ends_of, the_session
from tests.support.fronts import Wire
from tests.support.raw import DEADLINE, UNIT, Closed, PollingPeer, WebSocketPeer, until, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.fronts import Front
    from tests.support.raw import Peer

LONG = 100 * DEADLINE
"""Seconds of a drain that no test waits for."""


@asynccontextmanager
async def closing(io: Server, **arguments: float) -> AsyncIterator[asyncio.Task[None]]:
    """Close the server beside what the block does, and be done with it at its end."""
    task = asyncio.create_task(io.close(**arguments))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=DEADLINE)
        assert not io.engine.sessions


async def rest_of(peer: Peer) -> list[str | bytes]:
    """All packets up to the goodbye, heartbeats left out."""
    packets: list[str | bytes] = []
    if isinstance(peer, WebSocketPeer):
        while not isinstance(message := await peer.websocket.receive(), Closed):
            packets.append(message)
        assert message.code in (1000, 1005)
    else:
        while (packet := await peer.receive()) != "1":
            packets.append(packet)
    return packets


async def opened(wire: Wire, transport: str) -> Peer:
    """A client in the main namespace."""
    peer = await wire.open(transport)
    assert (await peer.connect()).startswith("40{")
    return peer


# --- last words -----------------------------------------------------------------------------------


async def test_what_was_emitted_arrives_in_order(front: Front, transport: str) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peers = [await opened(wire, transport) for _ in range(3)]
        for number in range(20):
            io.emit("n", number, bytes([number]))
        async with closing(io) as task:
            expected = [
                packet
                for number in range(20)
                for packet in (
                    f'451-["n",{number},{{"_placeholder":true,"num":0}}]',
                    bytes([number]),
                )
            ]
            for peer in peers:
                assert await rest_of(peer) == expected
            await within(task)


async def test_open_poll_gets_the_last_words_and_the_goodbye_at_once(front: Front) -> None:
    io = Server()
    io.engine.on("closing", lambda: io.emit("bye"))
    async with front.serve(io) as wire:
        peer = await opened(wire, "polling")
        assert isinstance(peer, PollingPeer)
        peer.gets.send("GET", peer.target)
        await until(lambda: io.engine.sessions[peer.sid].is_writable)
        async with closing(io) as task:
            reply = await peer.gets.read()
            assert reply.text == '42["bye"]\x1e1'
            assert reply.header("connection") == "close"
            await within(task)


async def test_client_that_polls_late_gets_all_with_its_next_poll(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await opened(wire, "polling")
        assert isinstance(peer, PollingPeer)
        io.emit("bye")
        async with closing(io) as task:
            await until(lambda: not io.sockets)
            assert not task.done()
            assert (await peer.poll()).text == '42["bye"]\x1e1'
            await within(task)


async def test_handlers_of_disconnecting_have_a_word(front: Front, transport: str) -> None:
    io, ends = Server(), []

    @io.on("connection")
    def connection(socket: Socket) -> None:
        @socket.on("disconnecting")
        def disconnecting(reason: str) -> None:
            socket.emit("bye", reason)

        socket.on("disconnect", lambda reason: ends.append(reason))

    async with front.serve(io) as wire:
        peer = await opened(wire, transport)
        async with closing(io) as task:
            assert await rest_of(peer) == ['42["bye","server shutting down"]']
            await within(task)
        assert ends == ["server shutting down"]


async def test_application_has_a_word_when_closing_begins(front: Front, transport: str) -> None:
    io = Server()
    io.engine.on("closing", lambda: io.emit("first"))

    @io.engine.on("closing")
    async def last_words() -> None:
        await asyncio.sleep(UNIT)
        io.emit("second")

    async with front.serve(io) as wire:
        peer = await opened(wire, transport)
        async with closing(io) as task:
            assert await rest_of(peer) == ['42["first"]', '42["second"]']
            await within(task)


async def test_application_that_talks_for_ever_is_cut_short(native: Front) -> None:
    io = Server()
    io.engine.on("closing", lambda: asyncio.sleep(LONG))
    async with native.serve(io) as wire:
        peer = await opened(wire, "websocket")
        async with closing(io, shutdown_timeout=10 * UNIT) as task:
            assert await rest_of(peer) == []
            await within(task)


@pytest.mark.logs_errors
async def test_failing_handlers_stop_nothing(native: Front) -> None:
    io = Server()

    async def fails_later() -> None:
        raise RuntimeError

    io.engine.on("closing", lambda: 1 / 0)
    io.engine.on("closing", fails_later)
    async with native.serve(io) as wire:
        peer = await opened(wire, "websocket")
        async with closing(io) as task:
            assert await rest_of(peer) == []
            await within(task)


async def test_handlers_of_disconnect_get_to_their_end(front: Front) -> None:
    io, saved = Server(), []

    @io.event
    async def disconnect(socket: Socket, reason: str) -> None:
        await asyncio.sleep(2 * UNIT)
        saved.append(reason)

    async with front.serve(io) as wire:
        peer = await opened(wire, "websocket")
        async with closing(io) as task:
            await rest_of(peer)
            await within(task)
            assert saved == ["server shutting down"]


async def test_upgrade_under_way_comes_to_its_end_first(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await opened(wire, "polling")
        websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        io.emit("bye")
        async with closing(io) as task:
            websocket.send("5")
            assert await websocket.receive() == '42["bye"]'
            assert isinstance(await websocket.receive(), Closed)
            await within(task)


async def test_client_in_the_middle_of_an_upgrade_may_also_poll_for_the_end(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await opened(wire, "polling")
        websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        io.emit("bye")
        async with closing(io) as task:
            assert await rest_of(peer) == ['42["bye"]']
            assert isinstance(await websocket.receive(), Closed)
            await within(task)


async def test_upgrade_that_stands_still_holds_up_nothing(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await opened(wire, "polling")
        websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        io.emit("bye")
        async with closing(io, shutdown_timeout=10 * UNIT) as task:
            assert isinstance(await websocket.receive(), Closed)
            await within(task)


# --- slow and silent clients ----------------------------------------------------------------------

MUCH = 200
LARGE = "x" * 50_000


async def stop_reading(io: Server, peer: Peer) -> None:
    """Let a client read nothing, and the server know it."""
    assert isinstance(peer, WebSocketPeer)
    peer.websocket.http.writer.transport.pause_reading()  # type: ignore[attr-defined]
    session = io.engine.sessions[peer.sid]
    for _ in range(MUCH):
        session.send(LARGE)
    await until(lambda: session.backlog)


async def test_slow_reader_holds_up_nobody_and_is_cut(front: Front) -> None:
    io = Server()
    ends = ends_of(io)
    async with front.serve(io) as wire:
        slow = await opened(wire, "websocket")
        others = [await opened(wire, kind) for kind in ("websocket", "polling")]
        await stop_reading(io, slow)
        io.emit("bye")
        async with closing(io, shutdown_timeout=10 * UNIT) as task:
            for peer in others:
                assert await rest_of(peer) == ['42["bye"]']
            assert not task.done()
            await within(task)
            assert ends == [("server shutting down", "")] * 3
            assert not io.engine.driver.connections


async def test_slow_reader_that_goes_on_gets_everything(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        slow = await opened(wire, "websocket")
        assert isinstance(slow, WebSocketPeer)
        await stop_reading(io, slow)
        io.emit("bye")
        async with closing(io, shutdown_timeout=DEADLINE) as task:
            await until(lambda: not io.sockets)
            slow.websocket.http.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert await rest_of(slow) == [f"4{LARGE}"] * MUCH + ['42["bye"]']
            await within(task)


async def test_client_that_owes_its_close_frame_is_not_waited_for_long(native: Front) -> None:
    io = Server()
    async with native.serve(io) as wire:
        peer = await opened(wire, "websocket")
        assert isinstance(peer, WebSocketPeer)
        peer.websocket.answers_close = False
        await within(io.close(shutdown_timeout=LONG))
        assert not io.engine.driver.connections


# --- new clients meanwhile ------------------------------------------------------------------------


async def test_new_clients_are_refused_and_old_ones_served(front: Front, transport: str) -> None:
    io, _ = echo_server()
    failures: list[tuple[int, str]] = []
    io.engine.on(
        "connection_error", lambda failure: failures.append((failure.code, failure.message))
    )
    async with front.serve(io) as wire:
        first, second = await opened(wire, transport), await opened(wire, transport)
        async with closing(io, drain_period=LONG):
            assert await rest_of(first) == []
            http = await wire.http()
            reply = await http.get(wire.target("polling"))
            assert reply.status == 503
            assert reply.header("retry-after") == "5"
            assert reply.header("connection") == "close"
            assert reply.json() == {"code": 503, "message": "Server shutting down"}
            assert await http.is_closed()
            reply = await wire.upgrade(wire.target("websocket"))
            assert (reply.status, reply.header("retry-after")) == (503, "5")
            await second.send('42["echo",1]')
            assert await second.receive() == '42["echo",1]'
        assert failures == [(503, "Server shutting down")] * 2


async def test_client_that_is_asked_about_meanwhile_is_refused(front: Front) -> None:
    asked = asyncio.Event()
    let_in = asyncio.Event()

    async def allow(request: object) -> bool:
        asked.set()
        await let_in.wait()
        return True

    io = Server(allow_request=allow)
    async with front.serve(io) as wire:
        answer = asyncio.create_task(wire.get(wire.target("polling")))
        await within(asked.wait())
        async with closing(io, shutdown_timeout=DEADLINE) as task:
            await asyncio.sleep(0)
            let_in.set()
            assert (await within(answer)).status == 503
            await within(task)


async def test_idle_connections_close_at_once(native_front: Front) -> None:
    io, _ = echo_server()
    async with native_front.serve(io) as wire:
        _, last = await opened(wire, "websocket"), await opened(wire, "websocket")
        idle = await wire.http()
        assert (await idle.get(f"{wire.path}socket.io.js")).status == 200
        async with closing(io, drain_period=LONG):
            assert await idle.is_closed()
            await last.send('42["echo",1]')
            assert await last.receive() == '42["echo",1]'


async def test_idle_connection_is_kept_for_clients_that_poll(native: Front) -> None:
    io, _ = echo_server(limits=Limits(keep_alive_timeout=UNIT))
    async with native.serve(io) as wire:
        _, last = await opened(wire, "polling"), await opened(wire, "polling")
        async with closing(io, drain_period=LONG):
            await asyncio.sleep(4 * UNIT)  # more than an idle connection is kept otherwise
            await last.send('42["echo",1]')
            assert await last.receive() == '42["echo",1]'


async def test_port_closes_first() -> None:
    io, _ = echo_server()
    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(io.listen(drain_period=LONG))
        wire = Wire(listener.host, listener.port, "/socket.io/")
        _, last = await opened(wire, "polling"), await opened(wire, "polling")
        ending = asyncio.create_task(stack.pop_all().aclose())
        await until(lambda: len(io.sockets) == 1)
        with pytest.raises(ConnectionRefusedError):
            await wire.http()
        await last.send('42["echo",1]')
        assert await last.receive() == '42["echo",1]'
        ending.cancel()
        await asyncio.wait({ending})
        assert not io.engine.sessions
        await wire.aclose()


# --- the drain ------------------------------------------------------------------------------------


async def test_drain_goes_by_transport_and_age(front: Front) -> None:
    io = Server()
    left: list[str] = []
    io.event("disconnect")(lambda socket, reason: left.append(socket.conn.id))
    async with front.serve(io) as wire:
        kinds = ["websocket", "polling", "websocket", "polling"]
        peers = [await opened(wire, kind) for kind in kinds]
        async with closing(io, drain_period=8 * UNIT) as task:
            for peer in (peers[1], peers[3], peers[0], peers[2]):
                assert await rest_of(peer) == []
            await within(task)
        assert left == [peers[at].sid for at in (1, 3, 0, 2)]


async def test_drain_leaves_time_between_clients(native: Front) -> None:
    io = Server()
    left: list[float] = []
    loop = asyncio.get_running_loop()
    io.event("disconnect")(lambda socket, reason: left.append(loop.time()))
    async with native.serve(io) as wire:
        peers = [await opened(wire, "websocket") for _ in range(5)]
        begin = loop.time()
        async with closing(io, drain_period=10 * UNIT) as task:
            for peer in peers:
                await rest_of(peer)
            await within(task)
    # Timers are late now and then, never early.
    assert all(time - begin >= number * 2 * UNIT - 0.001 for number, time in enumerate(left))


async def test_drain_ends_early_when_everybody_has_gone(native: Front) -> None:
    io = Server()
    async with native.serve(io) as wire:
        first, second = await opened(wire, "websocket"), await opened(wire, "websocket")
        async with closing(io, drain_period=50 * UNIT) as task:
            await rest_of(first)
            await rest_of(second)
            await within(task)


# --- calling it -----------------------------------------------------------------------------------


async def test_second_call_with_less_time_hastens_the_first(native: Front) -> None:
    io = Server()
    async with native.serve(io) as wire:
        peers = [await opened(wire, "websocket") for _ in range(3)]
        async with closing(io, drain_period=10_000 * UNIT) as task:
            await rest_of(peers[0])
            async with closing(io, drain_period=0.0) as again:
                for peer in peers[1:]:
                    await rest_of(peer)
                await within(task)
                await within(again)


async def test_second_call_waits_for_the_first(native: Front) -> None:
    io = Server()
    ends = ends_of(io)
    async with native.serve(io) as wire:
        peer = await opened(wire, "websocket")
        async with closing(io) as task:
            await until(lambda: not io.sockets)
            again = asyncio.create_task(io.close())
            await asyncio.sleep(0)
            assert task.done() or not again.done()
            await rest_of(peer)
            await within(again)
            await within(task)
        await within(io.close())
        assert ends == [("server shutting down", "")]


async def test_handler_may_close_and_is_not_waited_for(native: Front) -> None:
    io = Server()
    done: list[bool] = []

    @io.event
    async def stop(socket: Socket) -> None:
        await io.close(shutdown_timeout=LONG)
        done.append(True)

    async with native.serve(io) as wire:
        peer = await opened(wire, "websocket")
        await peer.send('42["stop"]')
        assert await rest_of(peer) == []
        await until(lambda: done)


async def test_cancelling_cuts_everything(front: Front, transport: str) -> None:
    io = Server()
    ends = ends_of(io)
    async with front.serve(io) as wire:
        peers = [await opened(wire, transport) for _ in range(2)]
        task = asyncio.create_task(io.close(drain_period=LONG))
        await until(lambda: ends)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(task)
        assert ends == [("server shutting down", "")] * 2
        assert not io.engine.sessions
        for peer in peers:
            if isinstance(peer, WebSocketPeer):
                await peer.ended()


async def test_server_that_was_closed_lets_clients_in_again(front: Front, transport: str) -> None:
    io, _ = echo_server()
    async with front.serve(io) as wire:
        peer = await opened(wire, transport)
        async with closing(io) as task:
            await rest_of(peer)
            await within(task)
        peer = await opened(wire, transport)
        await peer.send('42["echo",1]')
        assert await peer.receive() == '42["echo",1]'


async def test_closing_before_there_was_a_loop_is_nothing() -> None:
    await Server().close()


@pytest.mark.parametrize("name", ["drain_period", "shutdown_timeout"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 10.0**9])
async def test_times_out_of_range_are_refused(name: str, value: float) -> None:
    io = Server()
    with pytest.raises(ValueError, match=name):
        await io.close(**{name: value})
    with pytest.raises(ValueError, match=name):
        async with io.listen(**{name: value}):  # type: ignore[arg-type]
            pass
    with pytest.raises(ValueError, match=name):
        io.run(**{name: value})  # type: ignore[arg-type]


async def test_nothing_is_left(transport: str) -> None:
    io, _ = echo_server()
    handler_ran: list[str] = []

    @io.event
    async def disconnect(socket: Socket, reason: str) -> None:
        await asyncio.sleep(0)
        handler_ran.append(reason)

    async def round_() -> None:
        async with AsyncExitStack() as stack:
            listener = await stack.enter_async_context(io.listen())
            wire = Wire(listener.host, listener.port, "/socket.io/")
            peers = [await opened(wire, transport) for _ in range(10)]
            ending = asyncio.create_task(stack.pop_all().aclose())
            for peer in peers:
                await rest_of(peer)
            await within(ending)
            await wire.aclose()
        driver = io.engine.driver
        assert (dict(io.sockets), io.engine.sessions, driver.connections) == ({}, {}, set())
        assert driver.tasks() == set()
        assert len(driver._wheel) == 0
        assert driver.backlog == 0

    await round_()
    await until(lambda: len(asyncio.all_tasks()) == 1)
    descriptors = len(os.listdir("/proc/self/fd"))
    await round_()
    await until(lambda: len(asyncio.all_tasks()) == 1)
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert handler_ran == ["server shutting down"] * 20


async def test_engine_closes_its_sessions_the_same_way(front: Front, transport: str) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open(transport)
        the_session(engine).send("bye")
        task = asyncio.create_task(engine.close())
        assert await rest_of(peer) == ["4bye"]
        await within(task)
        assert ends == [("forced close", "")]
