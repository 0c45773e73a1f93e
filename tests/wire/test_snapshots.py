"""What is emitted is what it was at the call, whatever the caller does with it next."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import EncodeError, MsgpackParser, Server
from sockwave.codec.msgpack import decode_msgpack_packet, encode_msgpack_packet
from sockwave.codec.socketio import Packet, PacketType
from tests.support.apps import the_socket
from tests.support.raw import within

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.support.fronts import Front
    from tests.support.raw import Peer

PLACE = '{"_placeholder":true,"num":%d}'
ARGUMENTS = f'{PLACE % 0},{PLACE % 1},[{PLACE % 2},{{"a":[1]}}]'


class Changing:
    """Arguments that their owner uses again and again."""

    def __init__(self) -> None:
        self.buffer = bytearray(b"abcdef")
        self.other = bytearray(b"xyz")
        self.list: list[Any] = [self.other, {"a": [1]}]

    @property
    def args(self) -> tuple[Any, ...]:
        return self.buffer, memoryview(self.buffer)[::2], self.list

    def change(self) -> None:
        self.buffer[:] = bytes(len(self.buffer))
        self.other[:] = bytes(len(self.other))
        self.list[1]["a"][0] = "changed"
        self.list.append("changed")


def emit(io: Server) -> Callable[..., None]:
    return io.emit


def emit_of_a_namespace(io: Server) -> Callable[..., None]:
    return io.of("/").emit


def emit_to_a_room(io: Server) -> Callable[..., None]:
    return io.to(the_socket(io).id).emit


def volatile_emit(io: Server) -> Callable[..., None]:
    return io.volatile.emit


def emit_of_a_socket(io: Server) -> Callable[..., None]:
    return the_socket(io).emit


def emit_of_an_operator(io: Server) -> Callable[..., None]:
    return the_socket(io).compress(False).emit


EMITS = [
    emit,
    emit_of_a_namespace,
    emit_to_a_room,
    emit_of_a_socket,
    emit_of_an_operator,
]


def emit_with_callback(io: Server) -> Callable[..., None]:
    socket = the_socket(io)
    return lambda *args: socket.emit(*args, ack=print)


def emit_of_an_operator_with_callback(io: Server) -> Callable[..., None]:
    operator = the_socket(io).timeout(5)
    return lambda *args: operator.emit(*args, ack=lambda *answer: None)


def wait_of_the_server(io: Server) -> Callable[..., Coroutine[Any, Any, Any]]:
    return io.emit_with_ack


def wait_of_a_room(io: Server) -> Callable[..., Coroutine[Any, Any, Any]]:
    return io.to(the_socket(io).id).emit_with_ack


def wait_of_a_socket(io: Server) -> Callable[..., Coroutine[Any, Any, Any]]:
    return the_socket(io).emit_with_ack


def wait_of_an_operator(io: Server) -> Callable[..., Coroutine[Any, Any, Any]]:
    return the_socket(io).timeout(5).emit_with_ack


WAITS = [wait_of_the_server, wait_of_a_room, wait_of_a_socket, wait_of_an_operator]


def in_thread_meanwhile(work: Callable[[], object]) -> None:
    """Run in a thread, while the loop, whose thread this is, does nothing."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


async def packets(peer: Peer, count: int = 4) -> list[str | bytes]:
    return [await peer.receive() for _ in range(count)]


@pytest.mark.parametrize("recovery", [False, True], ids=["plain", "recovery"])
@pytest.mark.parametrize("kind", EMITS)
async def test_thread_may_change_what_it_has_emitted(
    front: Front, transport: str, kind: Callable[[Server], Any], recovery: bool
) -> None:
    io = Server(connection_state_recovery=recovery)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        changing, call = Changing(), kind(io)

        def work() -> None:
            call("x", *changing.args)
            changing.change()

        in_thread_meanwhile(work)
        text, *attachments = await packets(peer)
        assert isinstance(text, str)
        assert text.startswith(f'453-["x",{ARGUMENTS}')
        assert attachments == [b"abcdef", b"ace", b"xyz"]


@pytest.mark.parametrize("kind", [emit_with_callback, emit_of_an_operator_with_callback])
async def test_thread_may_change_what_it_has_emitted_with_a_callback(
    front: Front, kind: Callable[[Server], Any]
) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        changing, call = Changing(), kind(io)

        def work() -> None:
            call("x", changing.list[1])
            changing.change()

        in_thread_meanwhile(work)
        assert await peer.receive() == '420["x",{"a":[1]}]'


@pytest.mark.parametrize("where", ["thread", "task"])
@pytest.mark.parametrize("kind", WAITS)
async def test_arguments_of_a_wait_are_those_of_the_call(
    front: Front, transport: str, kind: Callable[[Server], Any], where: str
) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        changing, call = Changing(), kind(io)
        if where == "thread":

            def work() -> Any:
                waiting = call("x", changing.buffer, changing.list[1])
                changing.change()
                return asyncio.run(waiting)

            running: Any = asyncio.to_thread(work)
        else:
            running = call("x", changing.buffer, changing.list[1])
        task = asyncio.ensure_future(running)
        if where == "task":
            changing.change()
        assert await packets(peer, 2) == [f'451-0["x",{PLACE % 0},{{"a":[1]}}]', b"abcdef"]
        await peer.send('430["answer"]')
        assert await within(task) in ("answer", ["answer"])


@pytest.mark.parametrize("kind", [*EMITS, *WAITS, volatile_emit, emit_with_callback])
async def test_errors_of_arguments_belong_to_who_calls(
    front: Front, kind: Callable[[Server], Any]
) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        call, raised = kind(io), 0

        def work() -> None:
            nonlocal raised
            with pytest.raises(EncodeError):
                call("x", object())
            raised += 1

        work()
        in_thread_meanwhile(work)
        assert raised == 2


class Counting(MsgpackParser):
    """Knows which threads have encoded events."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def encode(self, packet: Packet) -> list[str | bytes]:
        if packet.type is PacketType.EVENT:
            self.threads.append(threading.get_ident())
        return super().encode(packet)


async def join(peer: Peer) -> None:
    """Connect by the parser."""
    await peer.send(encode_msgpack_packet(Packet(PacketType.CONNECT, "/", None, None)))
    await peer.receive()


@pytest.mark.parametrize("recovery", [False, True], ids=["plain", "recovery"])
@pytest.mark.parametrize("kind", [*EMITS, volatile_emit, emit_with_callback])
async def test_parser_encodes_in_the_thread_that_emits(
    front: Front, kind: Callable[[Server], Any], recovery: bool
) -> None:
    parser = Counting()
    io = Server(parser=parser, connection_state_recovery=recovery)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await join(peer)
        changing, call = Changing(), kind(io)
        errors: list[BaseException] = []

        def work() -> None:
            call("x", changing.buffer, changing.list)
            changing.change()
            with pytest.raises(EncodeError) as raised:
                call("x", object())
            errors.append(raised.value)

        in_thread_meanwhile(work)
        packet = decode_msgpack_packet(bytes(await peer.receive()))  # type: ignore[arg-type] # binary
        assert packet.data[:3] == ["x", b"abcdef", [b"xyz", {"a": [1]}]]
        assert len(errors) == 1
        assert parser.threads[0] != threading.get_ident()
        if not recovery or kind in (emit_with_callback, volatile_emit):
            assert threading.get_ident() not in parser.threads


@pytest.mark.parametrize("kind", WAITS)
async def test_arguments_of_a_wait_are_those_of_the_call_with_a_parser(
    front: Front, kind: Callable[[Server], Any]
) -> None:
    io = Server(parser=MsgpackParser())
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await join(peer)
        changing, call = Changing(), kind(io)
        task = asyncio.ensure_future(call("x", changing.buffer, changing.list))
        changing.change()
        packet = decode_msgpack_packet(bytes(await peer.receive()))  # type: ignore[arg-type] # binary
        assert packet.data == ["x", b"abcdef", [b"xyz", {"a": [1]}]]
        answer = Packet(PacketType.ACK, "/", packet.id, ["answer"])
        await peer.send(encode_msgpack_packet(answer))
        assert await within(task) in ("answer", ["answer"])


@pytest.mark.parametrize("parser", [None, MsgpackParser()], ids=["json", "msgpack"])
async def test_hooks_too_see_what_a_thread_has_emitted(
    native: Front, parser: MsgpackParser | None
) -> None:
    io = Server(parser=parser)
    async with native.serve(io) as wire:
        peer = await wire.open_websocket()
        await (join(peer) if parser is not None else peer.connect())
        seen: list[Any] = []
        the_socket(io).on_any_outgoing(lambda *args: seen.append(args))
        changing = Changing()

        def work() -> None:
            io.emit("a", changing.list)
            the_socket(io).emit("b", changing.buffer)
            changing.change()

        in_thread_meanwhile(work)
        await peer.receive()
        await until_seen(seen, 2)
        assert seen == [("a", [b"xyz", {"a": [1]}]), ("b", b"abcdef")]


async def test_value_that_looks_like_a_place_for_bytes_harms_nobody(native: Front) -> None:
    io = Server()
    async with native.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        seen: list[Any] = []
        the_socket(io).on_any_outgoing(lambda *args: seen.append(args))
        in_thread_meanwhile(lambda: io.emit("a", {"_placeholder": True, "num": 7}))
        assert await peer.receive() == '42["a",{"_placeholder":true,"num":7}]'
        assert seen == [("a", {"_placeholder": True, "num": 7})]


async def until_seen(seen: list[Any], count: int) -> None:
    async with asyncio.timeout(40):
        while len(seen) < count:
            await asyncio.sleep(0)
