"""What a peer may cost: each limit has its option and default (docs/differences.md#limits)."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import LimitExceeded, Limits, Server, ServerOptions
from sockwave.codec.websocket import Opcode
from sockwave.engine import EngineOptions
from tests.support.apps import echo_engine, echo_server, ends_of, the_session, the_socket
from tests.support.raw import UNIT, RawHttp, until

if TYPE_CHECKING:
    from sockwave import Socket
    from tests.support.fronts import Front, Wire


def test_defaults_of_the_limits_are_these() -> None:
    assert asdict(Limits()) == {
        "head_bytes": 16_384,
        "head_count": 100,
        "target_bytes": 8_192,
        "head_timeout": 10.0,
        "body_timeout": 20.0,
        "keep_alive_timeout": 5.0,
        "pipelined_requests": 8,
        "packets_per_post": 65_536,
        "process_backlog": None,
        "process_pending": None,
        "connections": None,
    }


def test_defaults_of_the_engine_are_these() -> None:
    options = EngineOptions()
    assert options.ping_interval == 25.0
    assert options.ping_timeout == 20.0
    assert options.upgrade_timeout == 10.0
    assert options.close_timeout == 30.0
    assert options.max_payload == 1_000_000
    assert options.max_backlog == 16 * 1024 * 1024
    assert options.transports == {"polling", "websocket"}
    assert options.per_message_deflate is None


def test_defaults_of_the_server_are_these() -> None:
    expected = {
        "connect_timeout": 45.0,
        "ack_timeout": 60.0,
        "serve_client": True,
        "max_attachments": 10,
        "max_depth": 128,
        "max_namespaces": 100,
        "max_pending_connects": 8,
        "max_pending_acks": 10_000,
        "max_pending_handlers": 1_000,
        "max_pending_bytes": 16 * 1024 * 1024,
        "allow_sid_rooms": False,
    }
    assert expected.items() <= asdict(ServerOptions()).items()


# --- requests -----------------------------------------------------------------------------------


async def status_of(wire: Wire, head: bytes, *, split: bool = False) -> int:
    """Send a head, whole or byte by byte, and see what it is answered with; then it closes."""
    http = await wire.http()
    if split:
        for start in range(0, len(head), 500):
            http.write(head[start : start + 500])
            await asyncio.sleep(0)
    else:
        http.write(head)
    reply = await http.read()
    if reply.status != 200:
        assert reply.header("connection") == "close"
        assert len(reply.body) <= 1024
        assert await http.is_closed()
    return reply.status


def head_of(wire: Wire, *lines: str, more: str = "") -> bytes:
    fields = "".join(f"{line}\r\n" for line in lines)
    return f"GET {wire.target()}{more} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode()


@pytest.mark.parametrize("split", [False, True])
async def test_long_head_is_refused(native_front: Front, split: bool) -> None:
    async with native_front.serve(Server()) as wire:
        assert await status_of(wire, head_of(wire, "X: " + "x" * 15_000), split=split) == 200
        assert await status_of(wire, head_of(wire, "X: " + "x" * 17_000), split=split) == 431
        many = [f"X-{number}: {'x' * 300}" for number in range(60)]
        assert await status_of(wire, head_of(wire, *many), split=split) == 431


async def test_head_without_an_end_is_refused(native_front: Front) -> None:
    async with native_front.serve(Server()) as wire:
        assert await status_of(wire, head_of(wire)[:-2] + b"X: " + b"x" * 20_000) == 431


@pytest.mark.parametrize("split", [False, True])
async def test_many_headers_are_refused(native_front: Front, split: bool) -> None:
    async with native_front.serve(Server()) as wire:
        lines = [f"X-{number}: x" for number in range(99)]
        assert await status_of(wire, head_of(wire, *lines), split=split) == 200
        assert await status_of(wire, head_of(wire, *lines, "X: x"), split=split) == 431


@pytest.mark.parametrize("split", [False, True])
async def test_long_target_is_refused(native_front: Front, split: bool) -> None:
    async with native_front.serve(Server()) as wire:
        room = 8_192 - len(wire.target())
        fits, over = "&" * room, "&" * (room + 1)
        assert await status_of(wire, head_of(wire, more=fits), split=split) == 200
        assert await status_of(wire, head_of(wire, more=over), split=split) == 414


async def test_limits_of_the_head_are_options(native_front: Front) -> None:
    limits = Limits(head_bytes=500, head_count=5, target_bytes=100)
    async with native_front.serve(Server(limits=limits)) as wire:
        assert await status_of(wire, head_of(wire)) == 200
        assert await status_of(wire, head_of(wire, "X: " + "x" * 500)) == 431
        assert await status_of(wire, head_of(wire, *["X: x"] * 5)) == 431
        assert await status_of(wire, head_of(wire, more="&" * 100)) == 414


async def test_websocket_handshake_has_the_same_limits(native_front: Front) -> None:
    async with native_front.serve(Server()) as wire:
        many = {f"X-{number}": "x" for number in range(200)}
        assert (await wire.upgrade(wire.target("websocket"), **many)).status == 431


@pytest.mark.parametrize("head", [b"", b"GET /socket.io/ HTTP/1.1\r\nHost: a\r\nX"])
async def test_head_that_takes_too_long_is_refused(native_front: Front, head: bytes) -> None:
    limits = Limits(head_timeout=2 * UNIT, keep_alive_timeout=100 * UNIT)
    async with native_front.serve(Server(limits=limits)) as wire:
        http = await wire.http()
        http.write(head)
        assert (await http.read()).status == 408
        assert await http.is_closed()


async def test_dripping_bytes_do_not_prolong_the_head(native_front: Front) -> None:
    limits = Limits(head_timeout=4 * UNIT)
    async with native_front.serve(Server(limits=limits)) as wire:
        http = await wire.http()
        http.write(b"GET /socket.io/ HTTP/1.1\r\nHost: a\r\nX: ")
        reading = asyncio.create_task(http.read())
        while not reading.done():
            http.write(b"x")
            await asyncio.sleep(UNIT / 2)
        assert (await reading).status == 408


async def test_later_head_that_takes_too_long_is_refused(native: Front) -> None:
    limits = Limits(head_timeout=2 * UNIT, keep_alive_timeout=100 * UNIT)
    async with native.serve(Server(limits=limits)) as wire:
        http = await wire.http()
        await http.get("/nothing")
        http.write(b"GET /half")
        assert (await http.read()).status == 408
        assert await http.is_closed()


async def test_body_that_takes_too_long_is_refused_and_closes(front: Front) -> None:
    engine, ends = echo_engine(limits=Limits(body_timeout=2 * UNIT))
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        peer.posts.send("POST", peer.target, {"Content-Length": "100"}, b"4")
        reading = asyncio.create_task(peer.posts.read())
        while not reading.done():
            peer.posts.write(b"x")
            await asyncio.sleep(UNIT / 4)
        assert (await reading).status == 408
        assert ends == [("transport error", "data request connection closed prematurely")]


async def test_idle_connection_is_closed(native_front: Front) -> None:
    limits = Limits(keep_alive_timeout=2 * UNIT)
    async with native_front.serve(Server(limits=limits)) as wire:
        http = await wire.http()
        await http.get(wire.target())
        await asyncio.sleep(UNIT)
        await http.get(wire.target())
        assert await http.is_closed()


@pytest.mark.parametrize("glued", [False, True])
async def test_requests_behind_a_waiting_one_are_not_all_read(native: Front, glued: bool) -> None:
    io = Server(limits=Limits(pipelined_requests=4))
    async with native.serve(io) as wire:
        peer = await wire.open_polling()
        peer.gets.send("GET", peer.target)  # waits
        request = f"GET {wire.target()} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        if glued:
            peer.gets.write(request * 20)
        for _ in range(20):
            if not glued:
                peer.gets.write(request)
            await asyncio.sleep(UNIT / 50)
        assert len(io.engine.sessions) <= 1 + 4
        await peer.send("40")
        for _ in range(21):
            assert (await peer.gets.read()).status == 200
        assert len(io.engine.sessions) == 21


async def test_body_behind_waiting_requests_is_read(native: Front) -> None:
    engine, _ = echo_engine(limits=Limits(pipelined_requests=2))
    async with native.serve(engine) as wire:
        peer = await wire.open_polling()
        peer.gets.send("GET", peer.target)  # waits, until the body behind it is read
        peer.gets.send("POST", peer.target, {"Content-Length": "2"})
        await asyncio.sleep(UNIT / 5)
        peer.gets.write(b"4a")
        assert (await peer.gets.read()).body == b"4a"
        assert (await peer.gets.read()).body == b"ok"


async def test_connections_over_the_limit_are_refused(native_front: Front) -> None:
    io = Server(limits=Limits(connections=3))
    async with native_front.serve(io) as wire:
        kept = [await wire.http() for _ in range(3)]
        for http in kept:
            assert (await http.get(wire.target())).status == 200
        http = await wire.http()
        reply = await http.read()
        assert (reply.status, reply.header("retry-after")) == (503, "5")
        assert await http.is_closed()
        await http.close()
        await kept.pop().close()
        await until(lambda: len(io.engine.driver.connections) < 3)
        assert (await wire.get(wire.target())).status == 200


async def test_many_packets_in_one_post_are_refused(front: Front) -> None:
    engine, ends = echo_engine(limits=Limits(packets_per_post=3))
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        assert (await peer.post("4a\x1e4b\x1e4c")).status == 200
        assert (await peer.poll()).text == "4a\x1e4b\x1e4c"
        assert (await peer.post("4a\x1e4b\x1e4c\x1e4d")).status == 413
        assert ends == [("transport error", "too many packets in one payload")]
        await peer.ended()


async def test_packets_of_a_large_post_let_others_have_their_turn(front: Front) -> None:
    io, _ = echo_server()
    seen: list[int] = []
    io.event("n")(lambda socket, number: seen.append(number))
    async with front.serve(io) as wire:
        busy, honest = await wire.open_polling(), await wire.open_websocket()
        await busy.connect()
        await honest.connect()
        posting = asyncio.create_task(busy.post("\x1e".join(f'42["n",{n}]' for n in range(20_000))))
        await until(lambda: seen)
        await honest.send('420["ask"]')
        assert await honest.receive() == "430[]"
        assert len(seen) < 20_000
        assert (await posting).body == b"ok"
        assert seen == list(range(20_000))


# --- messages -----------------------------------------------------------------------------------


async def test_many_fragments_close(native_front: Front) -> None:
    engine, ends = echo_engine(max_payload=256)
    async with native_front.serve(engine) as wire:
        peer = await wire.open_websocket()
        frame = peer.websocket.frame
        frame(Opcode.TEXT, b"4", fin=False)
        for _ in range(1023):
            frame(Opcode.CONTINUATION, b"", fin=False)
        frame(Opcode.CONTINUATION, b"")
        assert await peer.receive() == "4"
        frame(Opcode.TEXT, b"4", fin=False)
        for _ in range(1025):
            frame(Opcode.CONTINUATION, b"", fin=False)
        assert (await peer.ended()).code == 1008
        assert ends == [("transport error", "too many fragments")]


def binary_event(count: int) -> str:
    places = ",".join(f'{{"_placeholder":true,"num":{number}}}' for number in range(count))
    return f'45{count}-["ask",{places}]'


async def test_many_attachments_close_at_their_announcement(front: Front, transport: str) -> None:
    io, ends = echo_server(max_attachments=2)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(binary_event(2), b"a", b"b")
        await peer.send(binary_event(3))
        await peer.ended()
        assert ends == [("forced close", "")]


async def test_attachments_may_each_have_the_largest_size(front: Front) -> None:
    io, ends = echo_server(max_attachments=3, max_payload=200)
    io.event("sizes")(lambda socket, *parts: [len(part) for part in parts])
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send(binary_event(3).replace("ask", "sizes"), *[bytes(200)] * 3)
        await peer.send('420["ask"]')
        assert await peer.receive() == "430[]"
        assert ends == []


async def test_attachments_that_do_not_come_close(front: Front, transport: str) -> None:
    io, ends = echo_server(ping_timeout=2 * UNIT)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(binary_event(2), b"a")
        await peer.ended()
        assert ends[0][0] in ("forced close", "forced server close")


async def test_attachments_in_time_do_not_close(front: Front) -> None:
    io, ends = echo_server(ping_timeout=2 * UNIT)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send(binary_event(1), b"a")
        await asyncio.sleep(4 * UNIT)
        await peer.send('420["ask"]')
        assert await peer.receive() == "430[]"
        assert ends == []


def nested(depth: int) -> str:
    """An event whose JSON is this deep."""
    return '420["ask",' + "[" * (depth - 1) + "]" * (depth - 1) + "]"


async def test_deep_json_closes(front: Front, transport: str) -> None:
    io, ends = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(nested(128))
        assert await peer.receive() == "430[" + "[" * 127 + "]" * 127 + "]"
        await peer.send(nested(129))
        await peer.ended()
        assert ends == [("forced close", "")]


@pytest.mark.parametrize("id_", ["9007199254740992", "99999999999999999", "9" * 900_000])
async def test_large_ack_id_closes(front: Front, id_: str) -> None:
    io, ends = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send(f'42{id_}["ask"]')
        await peer.ended()
        assert ends == [("forced close", "")]


async def test_long_event_name_closes(front: Front) -> None:
    io, ends = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send('42["' + "é" * 127 + '"]', '420["ask"]')
        assert await peer.receive() == "430[]"
        await peer.send('42["' + "é" * 128 + '"]')
        await peer.ended()
        assert ends == [("forced close", "")]


async def test_long_namespace_closes(front: Front) -> None:
    io, ends = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        name = "/" + "x" * 254
        assert await peer.connect(name) == f'44{name},{{"message":"Invalid namespace"}}'
        await peer.send(f"40{name}x,")
        await peer.ended()
        assert ends == [("forced close", "")]


# --- namespaces and time ------------------------------------------------------------------------


async def test_namespaces_of_a_connection_are_bounded(front: Front) -> None:
    io = Server(max_namespaces=2)
    for name in ("/a", "/b", "/c"):
        io.of(name)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        assert (await peer.connect("/a")).startswith("40")
        assert (await peer.connect("/b")).startswith("40")
        assert await peer.connect("/c") == '44/c,{"message":"too many namespaces"}'
        await peer.send("41/a,")
        assert (await peer.connect("/c")).startswith("40")


async def test_namespaces_that_wait_are_bounded(front: Front) -> None:
    io = Server(max_pending_connects=2)
    go = asyncio.Event()

    async def wait(socket: Socket) -> None:
        await go.wait()

    for name in ("/a", "/b", "/c"):
        io.of(name).use(wait)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.send("40/a,", "40/b,", "40/c,")
        assert await peer.receive() == '44/c,{"message":"too many namespaces"}'
        go.set()
        replies = {str(await peer.receive())[:5] for _ in range(2)}
        assert replies == {"40/a,", "40/b,"}


async def test_client_that_joins_nothing_is_closed(front: Front, transport: str) -> None:
    io = Server(connect_timeout=2 * UNIT)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect("/unknown")
        await peer.ended()


async def test_client_whose_middleware_never_ends_is_closed(front: Front) -> None:
    io = Server(connect_timeout=2 * UNIT)

    @io.use
    async def never(socket: Socket) -> None:
        await asyncio.sleep(1000 * UNIT)

    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.send("40")
        await peer.ended()
        assert not io.sockets


async def test_client_that_joined_in_time_stays(front: Front) -> None:
    io, ends = echo_server(connect_timeout=2 * UNIT)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await asyncio.sleep(4 * UNIT)
        await peer.send('420["ask"]')
        assert await peer.receive() == "430[]"
        assert ends == []


async def test_outstanding_acknowledgements_are_bounded(front: Front) -> None:
    io = Server(max_pending_acks=2)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        socket = the_socket(io)
        got: list[Any] = []
        for _ in range(2):
            socket.emit("q", ack=got.append)
        with pytest.raises(LimitExceeded):
            socket.emit("q", ack=got.append)
        with pytest.raises(LimitExceeded):
            await socket.emit_with_ack("q")
        assert [await peer.receive() for _ in range(2)] == ['420["q"]', '421["q"]']
        await peer.send("430[1]")
        await until(lambda: got)
        socket.emit("q", ack=got.append)


async def test_running_handlers_of_a_connection_are_bounded(front: Front) -> None:
    io = Server(max_pending_handlers=10)
    go = asyncio.Event()
    running = 0

    @io.event
    async def slow(socket: Socket, number: int) -> int:
        nonlocal running
        running += 1
        await go.wait()
        return number

    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        for number in range(1_000):
            peer.websocket.send(f'42{number}["slow",{number}]')
            if number % 50 == 0:
                await asyncio.sleep(UNIT / 50)
        await asyncio.sleep(UNIT)
        assert 10 <= running < 500
        go.set()
        answers = [await peer.receive() for _ in range(1_000)]
        assert answers == [f"43{number}[{number}]" for number in range(1_000)]


# --- backlog ------------------------------------------------------------------------------------


async def test_backlog_of_a_polling_session_is_bounded(front: Front) -> None:
    io = Server(max_backlog=10_000)
    ends = ends_of(io)
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        socket = the_socket(io)
        for _ in range(9):
            socket.emit("e", "x" * 1_000)
        socket.volatile.emit("e", "x" * 10_000)
        await asyncio.sleep(0)
        assert ends == []
        socket.emit("e", "x" * 1_000)
        assert ends == [("backlog exceeded", "the peer does not read")]
        await peer.ended()


def stop_reading(http: RawHttp) -> None:
    # A window that does not grow by itself: soon the kernel takes nothing more, and stays so.
    http.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262_144)
    http.writer.transport.pause_reading()  # type: ignore[attr-defined] # of any loop's transport


async def fill(io: Server, most: int = 400) -> int:
    """Emit until the peer cannot take more; how many packets it took."""
    filled = the_socket(io)
    for number in range(most):
        filled.emit("fill", "x" * 100_000)
        try:
            await until(lambda: not filled.conn.backlog, 5 * UNIT)
        except TimeoutError:
            return number
    raise AssertionError("the kernel takes everything")


async def test_backlog_of_a_websocket_is_bounded(front: Front) -> None:
    io = Server(max_backlog=1_000_000)
    ends = ends_of(io)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        stop_reading(peer.websocket.http)
        await fill(io)
        socket = the_socket(io)
        backlog = socket.conn.backlog
        for _ in range(20):
            socket.volatile.emit("dropped", "x" * 100_000)
            await asyncio.sleep(0)
        assert ends == [] and socket.conn.backlog <= backlog
        for _ in range(20):
            socket.emit("e", "x" * 100_000)
            await asyncio.sleep(0)
        assert ends == [("backlog exceeded", "the peer does not read")]


async def test_client_that_reads_again_gets_everything(front: Front) -> None:
    io, ends = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        stop_reading(peer.websocket.http)
        count = await fill(io) + 1
        socket = the_socket(io)
        draining = asyncio.create_task(socket.drain())
        await asyncio.sleep(UNIT / 5)
        assert not draining.done()
        peer.websocket.http.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(count):
            assert str(await peer.receive()).startswith('42["fill"')
        await draining
        await until(lambda: not socket.conn.backlog)
        assert ends == []


async def test_largest_backlog_of_the_process_closes(front: Front) -> None:
    io = Server(limits=Limits(process_backlog=100_000))
    ends: list[tuple[str, str]] = []
    io.on(
        "connection",
        lambda socket: socket.on("disconnect", lambda reason: ends.append((socket.id, reason))),
    )
    async with front.serve(io) as wire:
        large, small = await wire.open_polling(), await wire.open_polling()
        await large.connect()
        await small.connect()
        first, second = io.sockets.values()
        first.emit("e", "x" * 60_000)
        second.emit("e", "x" * 30_000)
        await asyncio.sleep(0.01)
        assert ends == []
        second.emit("e", "x" * 20_000)
        await until(lambda: ends)
        assert ends == [(first.id, "backlog exceeded")]
        assert await small.receive() == '42["e","' + "x" * 30_000 + '"]'
        await large.ended()


async def test_account_of_the_process_is_zero_again(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        the_session(engine).send("x" * 100_000)
        await until(lambda: engine.driver.backlog > 100_000)
        await peer.poll()
        assert engine.driver.backlog == 0
        the_session(engine).send("x" * 100_000)
        await until(lambda: engine.driver.backlog > 100_000)
        the_session(engine).discard()
        assert engine.driver.backlog == 0
