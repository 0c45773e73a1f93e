"""Packets of Socket.IO that mean harm: numbers, names, attachments, and the wrong moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.security.judge import MB
from tests.security.scenarios.packets import ERRORS_NAMESPACE
from tests.security.settings import scaled
from tests.security.ways import (
    attack_with,
    connected,
    connected_by,
    glued_runs,
    send_frames,
    text,
)
from tests.support.raw import WebSocketPeer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

DIGITS: Final = 900_000

BIG: Final = bytes(900_000)

INDEXES: Final = ("-1", "1", "99", "0.5", '"0"', '"splice"', "true", "null", "{}", "1e0")

NO_NAMES: Final = (
    '42[{"toString":"x"}]',
    '42[["a"]]',
    "42[null]",
    "42[true]",
    "42[]",
    "42{}",
    "42",
)

RESERVED: Final = (
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
)


async def test_v04_endless_digits(front: str, way: str, targets: Callable[..., Target]) -> None:
    # Stall: 5 ms in the catalogue, and room for a slow machine.
    async with targets(front).attack(stall=0.02) as attack:
        for kind in ("42", "45"):
            attack.runs += glued_runs(way)
            peer = await connected(attack.wire)
            await attack_with(peer, f'{kind}{"9" * DIGITS}["a"]', way=way)
            await peer.ended()


async def test_v08_index_of_an_attachment(
    front: str, transport: str, way: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        for index in INDEXES:
            attack.runs += glued_runs(way)
            peer = await connected_by(attack.wire, transport)
            packet = f'451-["a",{{"_placeholder":true,"num":{index}}}]'
            await attack_with(peer, packet, b"attachment", way=way)
            await peer.ended()


async def test_v08_index_in_range_is_taken(
    front: str, transport: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        attack.runs["echo"] = 1
        peer = await connected_by(attack.wire, transport)
        await peer.send('451-7["echo",{"_placeholder":true,"num":0}]', b"attachment")
        assert await peer.receive() == '461-7[{"_placeholder":true,"num":0}]'
        assert await peer.receive() == b"attachment"
        await peer.send("1")


async def test_v09_event_whose_name_is_no_text(
    front: str, transport: str, way: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        for packet in NO_NAMES:
            attack.runs += glued_runs(way)
            peer = await connected_by(attack.wire, transport)
            await attack_with(peer, packet, way=way)
            await peer.ended()


async def test_v09_number_is_a_name(
    front: str, transport: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        attack.runs = Counter({"5": 1, "echo": 1})
        peer = await connected_by(attack.wire, transport)
        await peer.send("42[5]", '421["echo"]')
        assert await peer.receive() == "431[]"
        await peer.send("1")


async def test_v10_event_error(front: str, transport: str, targets: Callable[..., Target]) -> None:
    async with targets(front).attack() as attack:
        attack.runs = Counter({"error": 1, "echo": 1})
        peer = await connected_by(attack.wire, transport)
        await peer.send('42["error","x"]', '421["echo"]')
        assert await peer.receive() == "431[]"
        await peer.send("1")


async def test_v10_event_error_with_a_handler(
    front: str, transport: str, targets: Callable[..., Target]
) -> None:
    target = targets(front)
    await target.do("tests.security.scenarios.packets.handle_errors")
    async with target.attack() as attack:
        attack.runs["echo"] = 1
        peer = await connected_by(attack.wire, transport)
        await peer.connect(ERRORS_NAMESPACE)
        await peer.send(f'42{ERRORS_NAMESPACE},["error","x"]', '421["echo"]')
        assert await peer.receive() == "431[]"
        await peer.send("1")
    assert await target.do("tests.security.scenarios.packets.take_errors") == ["x"]


async def test_v11_reserved_names(
    front: str, transport: str, way: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        for name in RESERVED:
            attack.runs += glued_runs(way)
            peer = await connected_by(attack.wire, transport)
            await attack_with(peer, f'42["{name}",{{}}]', way=way)
            await peer.ended()


async def test_v11_names_without_meaning(
    front: str, transport: str, targets: Callable[..., Target]
) -> None:
    target = targets(front)
    async with target.attack() as attack:
        attack.runs = Counter({"connection": 1, "*": 1, "echo": 1})
        peer = await connected_by(attack.wire, transport)
        before = await target.do("counts")
        await peer.send('42["connection",{}]', '42["*",{}]', '421["echo","once"]')
        assert await peer.receive() == '431["once"]'  # a second `connection` would double `echo`
        after = await target.do("counts")
        assert [after[name] for name in ("sockets", "rooms")] == [
            before[name] for name in ("sockets", "rooms")
        ]
        await peer.send("1")


async def flood(peer: WebSocketPeer, head: str, count: int) -> None:
    """Send a binary packet's head and attachments, until the server has enough."""
    writer = peer.websocket.http.writer
    frame = text(BIG)
    writer.write(text(head))
    try:
        for _ in range(count):
            writer.write(frame)
            async with asyncio.timeout(2):  # a server may stop to read before it closes
                await writer.drain()
    except (ConnectionError, TimeoutError):
        pass


async def test_v12_unbounded_attachments(front: str, targets: Callable[..., Target]) -> None:
    # A host may have one frame on its way, in pieces and joined; all of them were 180 MB.
    async with targets(front).attack(peak=(2 if front == "native" else 8) * MB) as attack:
        peer = await connected(attack.wire)
        await flood(peer, '451000000-["x",{"_placeholder":true,"num":0}]', scaled(200, 50))
        # A host waits for the answer to its close frame as long as it likes.
        peer.websocket.answers_close = front != "native"
        await peer.ended()


async def test_v12_one_attachment_too_many(
    front: str, transport: str, way: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        attack.runs = glued_runs(way)
        peer = await connected_by(attack.wire, transport)
        await attack_with(peer, '4511-["x"]', way=way)
        await peer.ended()


async def test_v12_as_many_attachments_as_may_be(
    front: str, transport: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        attack.runs = Counter({"x": 1, "echo": 1})
        peer = await connected_by(attack.wire, transport)
        await peer.send('4510-["x"]', *[b""] * 10, '421["echo"]')
        assert await peer.receive() == "431[]"
        await peer.send("1")


async def test_v13_attachments_before_connect(front: str, targets: Callable[..., Target]) -> None:
    async with targets(front).attack(peak=(2 if front == "native" else 8) * MB) as attack:
        peer = await attack.wire.open_websocket()
        await flood(peer, '4510-["x",{"_placeholder":true,"num":0}]', 9)
        peer.websocket.answers_close = front != "native"
        await peer.ended()


async def test_v13_head_before_connect(
    front: str, transport: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        peer = await attack.wire.open(transport)
        await peer.send('4510-["x",{"_placeholder":true,"num":0}]')
        await peer.ended()


async def test_v14_event_before_the_middleware_has_decided(
    front: str, transport: str, targets: Callable[..., Target]
) -> None:
    # As the reference does, an event for a namespace that is not joined closes
    # (docs/protocol/violations.md); so no CONNECT_ERROR is left to be sent.
    async with targets(front).attack() as attack:
        peer = await connected_by(attack.wire, transport)
        await attack_with(peer, "40/refusing,", '42/refusing,["steal"]', way="whole")
        await peer.ended()


async def test_v14_events_after_the_middleware_has_refused(
    front: str, transport: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        peer = await connected_by(attack.wire, transport)
        await peer.send("40/refusing,")
        assert await peer.receive() == '44/refusing,{"message":"refused"}'
        await attack_with(peer, '42/refusing,["steal"]', way="whole")
        await peer.ended()


async def test_v16_pongs_without_a_ping(
    front: str, transport: str, targets: Callable[..., Target]
) -> None:
    target = targets(front)
    # A host makes objects of as many frames in one turn as the kernel gives at once: 40,000.
    bounds = {} if front == "native" else {"stall": 0.5, "peak": 32 * MB, "kept": 16 * MB}
    async with target.attack(**bounds) as attack:
        attack.runs["echo"] = 1
        peer = await connected_by(attack.wire, transport)
        before = await target.do("counts")
        if isinstance(peer, WebSocketPeer):
            await send_frames(peer, text("3") * 100_000, "whole")
        else:
            for _ in range(2):
                await peer.send(*["3"] * 50_000)
        await peer.send('421["echo"]')
        assert await peer.receive() == "431[]"
        after = await target.do("counts")
        assert after["timers"] <= before["timers"] + 2  # those of the honest come and go
        assert after["tasks"] <= before["tasks"] + 6
        await peer.send("1")
