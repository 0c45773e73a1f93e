"""Values nested deeper than a decoder, an encoder or a walk of ours can go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.security.judge import MB
from tests.security.requests import polling
from tests.security.ways import connected, glued_runs, send_packets
from tests.support.fronts import Wire
from tests.support.raw import PollingPeer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target
    from tests.support.raw import Peer, WebSocketPeer

MAX_DEPTH: Final = 128
"""`max_depth`; the list of an event and its arguments counts."""

DEEPER: Final = (129, 253, 300, 1_023, 1_025, 5_000)

QUICK: Final = 0.02
"""Seconds of processor time of one turn: four times what the catalogue has, for slow machines."""

PLACEHOLDER: Final = '{"_placeholder":true,"num":0}'

BOMBS: Final = {
    "lists": '42["a"' + "[" * 490_000 + "]" * 490_000 + "]",
    "lists behind a comma": '42["a",' + "[" * 490_000 + "]" * 490_000 + "]",
    "lists without an end": '42["a",' + "[" * 990_000,
    "objects": '42["a",' + '{"a":' * 140_000 + "1" + "}" * 140_000 + "]",
    "placeholders": '451-["a",' + '{"_placeholder":' * 55_000 + "1" + "}" * 55_000 + "]",
    "in a CONNECT": '40/x,{"a":' + "[" * 490_000 + "]" * 490_000 + "}",
    "in an ack": "431[" + "[" * 490_000 + "]" * 490_000 + "]",
}


def nested(depth: int, bottom: str = "") -> str:
    """The arguments of an event, as a list this deep."""
    lists = depth - 1 - bottom.count("{")
    return '["echo",' + "[" * lists + bottom + "]" * lists + "]"


def answer(depth: int, bottom: str = "") -> str:
    """What comes back."""
    return nested(depth, bottom).replace('"echo",', "")


MANY: Final = '42["a",' + ",".join(["[" * 1_000 + "]" * 1_000] * 490) + "]"


async def explode(peer: Peer, wire: Wire, packet: str) -> None:
    """Send a packet that ends the session."""
    if isinstance(peer, PollingPeer):
        reply = await wire.request("POST", peer.target, {}, packet.encode())
        assert (reply.status, reply.body) == (200, b"ok")
    else:
        await peer.send(packet)
    await peer.ended()


@pytest.mark.parametrize("what", BOMBS)
async def test_v48_bombs(
    front: str, transport: str, targets: Callable[..., Target], what: str
) -> None:
    async with targets(front).attack(stall=QUICK) as attack:
        peer = await attack.wire.open(transport)
        await peer.connect()
        await explode(peer, attack.wire, BOMBS[what])


async def test_v48_many_deep_values(
    front: str, transport: str, targets: Callable[..., Target]
) -> None:
    """Half a million lists that the decoder makes before anybody can look at them."""
    async with targets(front).attack(stall=4 * 0.1, peak=64 * MB) as attack:
        peer = await attack.wire.open(transport)
        await peer.connect()
        await explode(peer, attack.wire, MANY)


async def test_v48_arguments_as_deep_as_may_be(
    front: str, way: str, targets: Callable[..., Target]
) -> None:
    runs = glued_runs(way)
    runs["echo"] += 4
    async with targets(front).attack(runs=runs) as attack:
        peer = await connected(attack.wire)
        await send_packets(peer, f"420{nested(MAX_DEPTH - 1)}", way=way)
        assert await peer.receive() == f"430{answer(MAX_DEPTH - 1)}"
        await send_packets(peer, f"420{nested(MAX_DEPTH)}")
        assert await peer.receive() == f"430{answer(MAX_DEPTH)}"
        for depth in (MAX_DEPTH - 1, MAX_DEPTH):
            await peer.send(f"451-0{nested(depth, PLACEHOLDER)}", b"deep")
            assert await peer.receive() == f"461-0{answer(depth, PLACEHOLDER)}"
            assert await peer.receive() == b"deep"
        await peer.websocket.close()


async def test_v48_arguments_that_are_too_deep(
    front: str, way: str, targets: Callable[..., Target]
) -> None:
    runs = {"echo": len(DEEPER)} if way == "glued" else {}
    async with targets(front).attack(stall=QUICK, runs=runs) as attack:
        for depth in DEEPER:
            peer = await connected(attack.wire)
            await send_packets(peer, f"420{nested(depth)}", way=way)
            await peer.ended()
            peer = await connected(attack.wire)
            await peer.send(f"451-0{nested(depth, PLACEHOLDER)}", b"deep")
            await peer.ended()


async def test_v48_depth_on_polling(front: str, targets: Callable[..., Target]) -> None:
    async with targets(front).attack(stall=QUICK, runs={"echo": 1}) as attack:
        async with polling(attack.wire) as peer:
            await peer.send(f"420{nested(MAX_DEPTH)}")
            assert await peer.receive() == f"430{answer(MAX_DEPTH)}"
        for depth in DEEPER:
            peer = await attack.wire.open_polling()
            await peer.connect()
            assert (await peer.post(f"420{nested(depth)}")).body == b"ok"
            await peer.ended()


# --- msgpack --------------------------------------------------------------------------------------

CONNECT: Final = b"\x82\xa4type\x00\xa3nsp\xa1/"
EVENT: Final = b"\x84\xa4type\x02\xa3nsp\xa1/\xa2id\x00\xa4data"


def packed(depth: int) -> bytes:
    """An event whose data is a list this deep."""
    return EVENT + b"\x92\xa4echo" + b"\x91" * (depth - 2) + b"\x90"


async def speaking(wire: Wire) -> WebSocketPeer:
    """A session in the main namespace."""
    peer = await wire.open_websocket()
    await peer.send(CONNECT)
    reply = await peer.receive()
    assert isinstance(reply, bytes) and b"sid" in reply
    return peer


async def test_v48_msgpack(front: str, way: str, targets: Callable[..., Target]) -> None:
    target = targets(front)
    bombs = [packed(100_000), b"\x91" * 100_000, packed(900_000), EVENT + b"\x81\xa1a" * 100_000]
    async with target.attack(stall=QUICK):
        port = await target.do("tests.security.scenarios.msgpack.listen")
        wire = Wire("127.0.0.1", port, "/socket.io/")
        peer = await speaking(wire)
        for depth in (MAX_DEPTH - 1, MAX_DEPTH):
            await peer.send(packed(depth))
            reply = await peer.receive()
            assert isinstance(reply, bytes) and b"\x91" * (depth - 2) + b"\x90" in reply
        await peer.websocket.close()
        for data in (*map(packed, DEEPER), *bombs):
            peer = await speaking(wire)
            await send_packets(peer, data, way=way if way != "glued" else "whole")
            await peer.ended()
        await wire.aclose()
        await target.do("tests.security.scenarios.msgpack.close")
