"""More events than handlers may run: what waits, what passes, and who is not read from."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import msgspec.msgpack
import pytest

from sockwave import Limits, MsgpackParser, Server, Socket
from sockwave.socketio.server.connections.connection import Connection
from tests.support.apps import ends_of
from tests.support.raw import UNIT, until, within
from tests.wire.test_eio3 import open_websocket

if TYPE_CHECKING:
    from tests.support.fronts import Front
    from tests.support.raw import Peer

MB = 1_000_000


class Work:
    """A handler that ends when it is told to."""

    def __init__(self, io: Server, event: str = "work", **options: Any) -> None:
        self.began: list[Any] = []
        self.ended: list[Any] = []
        self.go = asyncio.Event()
        io.event(event, **options)(self._handle)

    async def _handle(self, socket: Socket, number: Any, *_: Any) -> Any:
        self.began.append(number)
        await self.go.wait()
        self.ended.append(number)
        return number


async def answer_all(peer: Peer, count: int) -> list[int]:
    """Acknowledge `count` questions of the server."""
    numbers = []
    for _ in range(count):
        question = await peer.receive()
        assert isinstance(question, str)
        id_, _, rest = question.removeprefix("42").partition("[")
        number = int(rest.rpartition(",")[2].removesuffix("]"))
        numbers.append(number)
        await peer.send(f"43{id_}[{number}]")
    return numbers


@pytest.mark.parametrize("order", [None, "socket", lambda *_: "one lane"])
async def test_answers_that_handlers_wait_for_come_in(
    front: Front, transport: str, order: Any
) -> None:
    io = Server(max_pending_handlers=10, order=order)
    done: list[int] = []

    @io.event
    async def work(socket: Socket, number: int) -> None:
        done.append(await socket.emit_with_ack("q", number))

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(*(f'42["work",{number}]' for number in range(100)))
        assert await answer_all(peer, 100) == list(range(100))
        await until(lambda: len(done) == 100)
    assert done == list(range(100))
    assert not io.pending.total


async def test_answers_come_in_also_from_an_old_client(front: Front) -> None:
    io = Server(max_pending_handlers=10, allow_eio3=True)
    done: list[int] = []

    @io.event
    async def work(socket: Socket, number: int) -> None:
        done.append(await socket.emit_with_ack("q", number))

    async with front.serve(io) as wire:
        websocket, _ = await open_websocket(wire)
        assert await websocket.receive_text() == "40"
        for number in range(100):
            websocket.send(f'42["work",{number}]')
        for number in range(100):
            assert await websocket.receive_text() == f'42{number}["q",{number}]'
            websocket.send(f"43{number}[{number}]")
        await until(lambda: len(done) == 100)


async def test_answers_come_in_by_a_parser_of_its_own(front: Front, transport: str) -> None:
    io = Server(max_pending_handlers=10, parser=MsgpackParser())
    done: list[int] = []

    @io.event
    async def work(socket: Socket, number: int) -> None:
        done.append(await socket.emit_with_ack("q", number))

    def packet(type_: int, data: Any, **more: Any) -> bytes:
        return msgspec.msgpack.encode({"type": type_, "data": data, "nsp": "/", **more})

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.send(packet(0, {}))
        await peer.receive()
        await peer.send(*(packet(2, ["work", number]) for number in range(100)))
        for number in range(100):
            question = await peer.receive()
            assert isinstance(question, bytes)
            id_ = msgspec.msgpack.decode(question)["id"]
            await peer.send(packet(3, [number], id=id_))
        await until(lambda: len(done) == 100)
    assert done == list(range(100))
    assert not io.pending.total


async def test_events_and_attachments_wait_in_order(front: Front, transport: str) -> None:
    io = Server(max_pending_handlers=2)
    work = Work(io)
    asked: list[Any] = []

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.emit("q", ack=asked.append)

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.receive()
        for number in range(20):
            if number % 3:
                await peer.send(f'42["work",{number}]')
            else:
                placeholders = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
                await peer.send(f'452-["work",{number},{placeholders}]', b"one", b"two")
        await peer.send('461-0[{"_placeholder":true,"num":0}]', b"answer")
        await until(lambda: asked == [b"answer"])
        assert work.began == [0, 1]
        work.go.set()
        await until(lambda: len(work.ended) == 20)
    assert work.began == list(range(20))


async def test_heartbeats_of_a_client_whose_events_wait_are_taken(
    front: Front, transport: str
) -> None:
    io = Server(ping_interval=2 * UNIT, ping_timeout=4 * UNIT, order="socket")
    ends = ends_of(io)
    work = Work(io)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        session = next(iter(io.engine.sessions.values()))
        beats: list[int] = []

        @session.on("heartbeat")
        def heartbeat() -> None:
            beats.append(1)
            if len(beats) == 4:
                work.go.set()

        await peer.send(*(f'42{number}["work",{number}]' for number in range(50)))
        assert [await peer.receive() for _ in range(50)] == [f"43{n}[{n}]" for n in range(50)]
        assert len(beats) >= 4
        assert ends == []


async def test_silent_client_whose_events_wait_is_gone(front: Front, transport: str) -> None:
    io = Server(ping_interval=2 * UNIT, ping_timeout=2 * UNIT, order="socket")
    ends = ends_of(io)
    Work(io)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(*(f'42{number}["work",{number}]' for number in range(50)))
        await until(lambda: ends)
        assert ends[0][0] == "ping timeout"
    assert not io.pending.total


@pytest.mark.logs_errors
async def test_client_that_is_not_read_from_and_does_not_poll_any_more_is_gone(
    front: Front,
) -> None:
    io = Server(ping_interval=2 * UNIT, ping_timeout=2 * UNIT, max_pending_bytes=1)
    ends = ends_of(io)
    work = Work(io)
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        await peer.send('42["work",0]')
        await until(lambda: ends)
        assert ends[0][0] == "ping timeout"
        assert (work.began, work.ended) == ([0], [])
        assert not io.sockets


async def test_disconnect_waits_behind_the_events_before_it(front: Front, transport: str) -> None:
    io = Server(max_pending_handlers=2)
    ends = ends_of(io)
    work = Work(io)
    io.of("/other")
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(*(f'42["work",{number}]' for number in range(9)), "41", "40")
        await peer.send("40/other,")
        work.go.set()
        await until(lambda: ends)
        assert len(work.began) == 9
        replies = [await peer.receive(), await peer.receive()]
        assert [str(reply).partition("{")[0] for reply in replies] == ["40", "40/other,"]
        await peer.send('42["work",9]')
        await until(lambda: work.ended == list(range(10)))


@pytest.mark.parametrize("goodbye", ["engine", "namespace"])
async def test_what_came_before_a_goodbye_has_its_turn(
    front: Front, transport: str, goodbye: str
) -> None:
    io = Server(max_pending_handlers=2)
    lines: list[Any] = []
    first, go = asyncio.Event(), asyncio.Event()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        @socket.on("work")
        async def work(number: int) -> None:
            lines.append(number)
            first.set()
            await go.wait()

        socket.on("disconnect", lambda reason: lines.append(reason))

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(*(f'42["work",{number}]' for number in range(50)))
        await first.wait()
        if goodbye == "namespace":
            await peer.send("41")
        if transport == "polling":
            await peer.send("1")
        else:  # a code is a goodbye, none may be a connection that was lost
            code = None if goodbye == "namespace" else 1000
            await peer.websocket.close(code)  # type: ignore[attr-defined] # it is one
        await until(lambda: not io.engine.sessions)
        assert lines == [0, 1]
        go.set()
        reason = {"engine": "transport close", "namespace": "client namespace disconnect"}[goodbye]
        await until(lambda: reason in lines)
        assert lines == [*range(50), reason]
    assert not io.pending.total


@pytest.mark.logs_errors
async def test_answers_are_waited_for_no_longer_than_the_session_lasts(native: Front) -> None:
    io = Server(max_pending_handlers=2)
    failures: list[str] = []
    io.on_error(lambda error, _: failures.append(type(error).__name__))

    @io.event
    async def work(socket: Socket) -> None:
        await socket.emit_with_ack("q")

    async with native.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send(*['42["work"]'] * 50)
        assert await peer.receive() == '420["q"]'
        await peer.websocket.close(1000)
        await until(lambda: len(failures) == 50)
        assert set(failures) == {"Disconnected"}
    assert not io.pending.total


@pytest.mark.logs_errors
async def test_goodbye_waits_no_longer_than_an_orderly_close_may(front: Front) -> None:
    io = Server(max_pending_handlers=2, close_timeout=2 * UNIT)
    ends = ends_of(io)
    work = Work(io)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send(*(f'42["work",{number}]' for number in range(50)))
        await until(lambda: work.began)
        await peer.websocket.close(1000)
        await until(lambda: ends)
        work.go.set()
        await until(lambda: not io.pending.total)
        assert work.ended == [0, 1]


async def flood(peer: Peer, count: int, size: int) -> None:
    for number in range(count):
        await peer.send(f'42["work",{number},"{"x" * size}"]')


@pytest.mark.logs_errors
async def test_bytes_of_events_that_run_and_wait_are_bounded(
    front: Front, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    io = Server(max_pending_bytes=4 * MB)
    work = Work(io)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        flooding = asyncio.ensure_future(flood(peer, 40, 900_000))
        await until(lambda: "not read from" in caplog.text)
        await asyncio.sleep(2 * UNIT)
        assert 4 * MB <= io.pending.total < 6 * MB
        assert len(work.began) == 3
        assert "max_pending_bytes=4000000" in caplog.text
        assert "Work._handle" in caplog.text
        work.go.set()
        await within(flooding)
        await until(lambda: len(work.ended) == 40)
    assert work.began == list(range(40))
    await until(lambda: not io.pending.total)


@pytest.mark.logs_errors
async def test_small_texts_that_become_large_objects_count_as_these(front: Front) -> None:
    io = Server(max_pending_bytes=16 * MB)
    work = Work(io)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        for number in range(8):
            await peer.send(f'42["work",{number},[{",".join(["{}"] * 100_000)}]]')
        await until(lambda: work.began)
        await peer.ping()
        assert len(work.began) == 1
        work.go.set()
        await until(lambda: len(work.ended) == 8)


@pytest.mark.logs_errors
async def test_process_reads_from_those_that_hold_little(
    front: Front, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    io = Server(limits=Limits(process_pending=4 * MB))
    ends = ends_of(io)
    work = Work(io)
    quick = Work(io, "quick")
    quick.go.set()
    async with front.serve(io) as wire:
        peers = [await wire.open(transport) for _ in range(5)]
        for peer in peers:
            await peer.connect()
        honest, *others = peers
        floods = [asyncio.ensure_future(flood(peer, 20, 500_000)) for peer in others]
        await until(lambda: caplog.text.count("process_pending=4000000") >= 1)
        for number in range(20):
            await honest.send(f'42{number}["quick",{number}]')
            assert await honest.receive() == f"43{number}[{number}]"
        assert io.pending.total < 4 * MB + 5 * MB
        work.go.set()
        await within(asyncio.gather(*floods))
        await until(lambda: len(work.ended) == 80)
        assert ends == []
    assert not io.pending.total


async def test_plain_handlers_leave_no_trace(front: Front, transport: str) -> None:
    io = Server(max_pending_handlers=1, max_pending_bytes=1)
    io.event("ask")(lambda socket, number: number)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(*(f'42{number}["ask",{number}]' for number in range(100)))
        assert [await peer.receive() for _ in range(100)] == [f"43{n}[{n}]" for n in range(100)]
        (socket,) = io.sockets.values()
        connection = socket._connection
        assert isinstance(connection, Connection)
        assert connection._intake is None


async def test_attachment_of_an_answer_that_is_cut_in_two_is_not_mixed_with_what_waits(
    native: Front,
) -> None:
    io = Server(max_pending_handlers=1)
    work = Work(io)
    asked: list[Any] = []
    io.on("connection", lambda socket: socket.emit("q", ack=asked.append))
    async with native.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.receive()
        await peer.send('42["work",0]', '42["work",1]', '461-0[{"_placeholder":true,"num":0}]')
        await peer.ping()
        work.go.set()
        await until(lambda: work.ended == [0])
        await peer.ping()
        assert work.began == [0]  # the next one waits until the packet that has begun is whole
        await peer.send(b"answer")
        await until(lambda: work.ended == [0, 1])
    assert asked == [b"answer"]


async def test_text_between_an_event_that_waits_and_its_attachment_ends_the_session(
    front: Front, transport: str
) -> None:
    io = Server(max_pending_handlers=1)
    ends = ends_of(io)
    Work(io)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(
            '42["work",0]', '451-["work",{"_placeholder":true,"num":0}]', '42["work",2]'
        )
        await until(lambda: ends)
        assert ends[0][0] == "forced close"
    assert not io.pending.total


async def test_event_that_is_no_utf8_is_refused_when_it_comes(native: Front) -> None:
    io = Server(max_pending_handlers=1)
    Work(io)
    async with native.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send('42["work",0]')
        await peer.ping()
        peer.websocket.frame(1, b'42["work","\xff"]')
        assert (await peer.websocket.closed()).code == 1007


async def test_intakes_are_freed_with_their_connections(front: Front, transport: str) -> None:
    io = Server(max_pending_handlers=1)
    work = Work(io)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(*(f'42["work",{number}]' for number in range(9)))
        await until(lambda: work.began)
        (socket,) = io.sockets.values()
        socket.disconnect(close=True)
        work.go.set()
        await until(lambda: work.ended == [0])
    gc.collect()
    assert (io.pending.total, io.pending.holders) == (0, 0)
