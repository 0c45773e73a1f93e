"""One message of a size that all limits allow, made so that it costs as much as it can.

An attachment that thousands of placeholders name, to a handler that answers with its arguments;
what sends decoders the long way; and what a client gives when it joins a namespace.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from benchmarks.reliability.report import Figure, milliseconds, target
from sockwave.codec.msgpack import encode_msgpack_packet
from sockwave.codec.socketio import Packet, PacketType
from tests.security.judge import MB
from tests.support.fronts import Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.security.judge import Target

BIG: Final = 999_000
HOLE: Final = '{"_placeholder":true,"num":0}'
MSGPACK: Final = "tests.security.scenarios.msgpack"
EVENT: Final = bytes.fromhex("83a47479706502a36e7370a12fa464617461")
UNDEFINED: Final = b"\xd4\0\0"


async def _attachment(server: Target) -> None:
    peer = await server.wire().open_websocket()
    await peer.connect()
    holes = ",".join([HOLE] * 3_000)
    await peer.send(f'451-1["echo",{holes}]', bytes(300_000))
    assert await peer.receive() == f"461-1[{holes}]"
    assert await peer.receive() == bytes(300_000)


async def _json(server: Target, text: str) -> None:
    peer = await server.wire().open_websocket()
    await peer.connect()
    await peer.send(f'42["large",{text}]', '421["echo"]')
    assert await peer.receive() == "431[]"


async def _msgpack(server: Target, unit: bytes) -> None:
    port = await server.do(f"{MSGPACK}.listen")
    peer = await Wire("127.0.0.1", port, "/socket.io/").open_websocket()
    await peer.send(encode_msgpack_packet(Packet(PacketType.CONNECT, "/", None, None)))
    await peer.receive()
    count = BIG // len(unit)
    data = b"\x93\xa5large" + b"\xdd" + count.to_bytes(4, "big") + unit * count + UNDEFINED
    await server.do("begin")
    await peer.send(EVENT + data)
    await peer.send(encode_msgpack_packet(Packet(PacketType.EVENT, "/", 1, ["echo"])))
    await peer.receive()


async def _jsonp(server: Target) -> None:
    wire = server.wire()
    first = await wire.get(wire.target("polling", j="0"))
    payload = json.loads(first.text[first.text.index("(") + 1 : -2])
    target = wire.target("polling", j="0", sid=json.loads(payload[1:])["sid"])
    await (await wire.http()).post(target, b"d=4" + b"%" * BIG)


async def _connects(server: Target) -> None:
    peer = await server.wire().open_websocket()
    auth = json.dumps({"a": [{}] * 21_000}, separators=(",", ":"))
    for number in range(99):
        await peer.send(f"40/dyn-{number},{auth}")
        assert str(await peer.receive()).startswith("40/dyn-")


INPUTS: Final[dict[str, Callable[[Target], Awaitable[None]]]] = {
    "an attachment of 300 kB that 3,000 placeholders name, acknowledged": _attachment,
    "JSON: a million bytes of empty arrays": lambda s: _json(s, f"[{'[],' * 332_000}0]"),
    "JSON: half of a surrogate pair beside escapes": lambda s: _json(
        s, '"' + r"\n" * 499_000 + r'\ud83d"'
    ),
    "msgpack: undefined beside empty arrays": lambda s: _msgpack(s, b"\x90"),
    "msgpack: undefined beside empty maps": lambda s: _msgpack(s, b"\x80"),
    "a form of JSONP that is percent signs": _jsonp,
    "99 namespaces joined with 64 kB of empty objects each": _connects,
}


def one_run(what: str, attack: Callable[[Any], Awaitable[None]]) -> list[Figure]:
    """Send one input to a server of its own."""
    with target(allow_eio3=True) as server:
        server.call("begin")
        before = server.memory()
        server.forget_peak()
        asyncio.run(_run(attack, server))
        turn = server.call("outcome")["stall"]
        grew = server.memory("VmHWM") - before
    return [
        Figure(f"{what}: longest turn of the loop", milliseconds(turn)),
        Figure(f"{what}: memory added at the peak", f"{grew / MB:.0f} MB"),
    ]


async def _run(attack: Callable[[Any], Awaitable[None]], server: Target) -> None:
    await attack(server)


def measure() -> list[Figure]:
    """Each of them."""
    return [figure for what, attack in INPUTS.items() for figure in one_run(what, attack)]
