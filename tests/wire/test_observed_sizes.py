"""Sizes that observers are told are those on the wire, on each front end and with each parser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sockwave import MsgpackParser, Server, Socket
from sockwave.codec.msgpack import encode_msgpack_packet
from sockwave.codec.socketio import Packet, PacketType
from sockwave.observe import Broadcast, EventReceived, EventSent, SessionClosed, SessionUpgraded
from tests.support.raw import until

if TYPE_CHECKING:
    from tests.support.fronts import Front


def watched(**options: Any) -> tuple[Server, list[Any]]:
    """A server that sends back what comes, and what its observer was told."""
    io = Server(**options)
    seen: list[Any] = []

    @io.event
    def echo(socket: Socket, *args: Any) -> None:
        socket.emit("echo", *args)
        io.emit("all", *args)

    io.observe(EventReceived, EventSent, Broadcast, SessionUpgraded, SessionClosed)(seen.append)
    return io, seen


async def test_of_text_and_attachments(front: Front, transport: str) -> None:
    io, seen = watched()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.send("40")
        await peer.receive()
        await peer.send('42["echo","é"]')
        await until(lambda: len(seen) == 3)
        await peer.send('452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
        await peer.send(b"abc")
        await peer.send(b"defg")
        await until(lambda: len(seen) == 6)
    text, binary = len('42["echo","é"]'.encode()), 72 + 7
    assert [type(each) for each in seen[:3]] == [EventReceived, EventSent, Broadcast]
    assert [each.size for each in seen[:6]] == [text, text, text - 1, binary, binary, binary - 1]
    assert seen[2].receivers == 1


async def test_of_a_parser(front: Front) -> None:
    io, seen = watched(parser=MsgpackParser())
    event = encode_msgpack_packet(Packet(PacketType.EVENT, "/", None, ["echo", "x", b"y"]))
    async with front.serve(io) as wire:
        peer = await wire.open("websocket")
        await peer.send(encode_msgpack_packet(Packet(PacketType.CONNECT, "/", None, None)))
        await peer.receive()
        await peer.send(event)
        await until(lambda: len(seen) == 3)
    assert [each.size for each in seen[:3]] == [len(event), len(event), len(event) - 1]


async def test_of_an_old_client(front: Front) -> None:
    io, seen = watched(allow_eio3=True)
    async with front.serve(io) as wire:
        peer = await wire.open("websocket", EIO="3")
        await peer.send('42["echo","x"]')
        await until(lambda: len(seen) == 3)
    assert [each.size for each in seen[:3]] == [14, 14, 13]
