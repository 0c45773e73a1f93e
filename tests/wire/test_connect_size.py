"""What a client gives when it joins a namespace: bounded, and kept as small as it came."""

from __future__ import annotations

import gc
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

from sockwave import MsgpackParser, Server
from sockwave.codec.msgpack import decode_msgpack_packet, encode_msgpack_packet
from sockwave.codec.socketio import Packet, PacketType
from tests.support.apps import the_socket

if TYPE_CHECKING:
    import pytest

    from tests.support.fronts import Front

MOST = 65_536


def _connect(size: int) -> str:
    """A CONNECT of so many bytes, digits of the two protocols included."""
    return '40{"a":"' + "x" * (size - 10) + '"}'


async def test_connect_over_the_limit_is_refused_and_the_connection_lives(
    every_front: Front, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    io = Server()
    asked: list[Any] = []
    io.use(lambda socket: asked.append(socket))
    async with every_front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.send(_connect(MOST + 1))
        assert await peer.receive() == '44{"message":"auth too large"}'
        assert asked == []
        assert "CONNECT of more than max_connect_bytes=65536" in caplog.text
        await peer.send(_connect(MOST))
        assert str(await peer.receive()).startswith('40{"sid"')
        assert len(the_socket(io).handshake.auth["a"]) == MOST - 10


async def test_limit_is_an_option(front: Front) -> None:
    io = Server(max_connect_bytes=200_000)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.send(_connect(200_000))
        assert str(await peer.receive()).startswith("40{")


async def test_msgpack_has_the_same_limit(front: Front, transport: str) -> None:
    io = Server(parser=MsgpackParser())
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        for size, expected in ((MOST, PacketType.CONNECT_ERROR), (1_000, PacketType.CONNECT)):
            auth = {"a": b"x" * size, "n": [None, 1.5]}
            await peer.send(encode_msgpack_packet(Packet(PacketType.CONNECT, "/", None, auth)))
            reply = await peer.receive()
            assert isinstance(reply, bytes)
            assert decode_msgpack_packet(reply).type is expected
        assert the_socket(io).handshake.auth == auth


async def test_old_clients_have_the_same_limit(front: Front) -> None:
    io = Server(allow_eio3=True)
    io.of("/a")
    async with front.serve(io) as wire:
        websocket = await wire.websocket(wire.target("websocket", "3"))
        for expected in ("0{", "40"):
            assert (await websocket.receive_text()).startswith(expected)
        websocket.send("40/a?q=" + "x" * MOST + ",")
        assert (await websocket.receive_text()).startswith("44/a,")
        websocket.send("40/a?q=x,")
        assert await websocket.receive() == "40/a,"


async def test_auth_takes_no_more_than_it_came_with_whoever_looks_at_it(native: Front) -> None:
    io = Server(max_namespaces=30, block_warning=None)  # tracing makes all of it slow
    names = [f"/{number}" for number in range(20)]
    for name in names:
        io.of(name).use(lambda socket: socket.data.update(keys=len(socket.handshake.auth)))
    auth: dict[str, Any] = {"a": [{} for _ in range(20_000)]}
    text = json.dumps(auth, separators=(",", ":"))
    async with native.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect(names[0])
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for name in names[1:]:
                await peer.send(f"40{name},{text}")
                assert str(await peer.receive()).startswith("40")
            gc.collect()
            grew = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        (socket,) = io.of(names[1]).sockets.values()
        assert socket.data == {"keys": 1}
        assert socket.handshake.auth == auth
    assert grew < 2 * len(text) * len(names), "of 28 MB that the decoded values are"
