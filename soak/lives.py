"""Clients of the soak: each connects, talks, and goes, in every way there is."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import sockwave
from soak.server import ROOMS
from tests.support.raw import WebSocketPeer, within

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from sockwave.types import TransportName
    from tests.support.fronts import Wire
    from tests.support.raw import Peer

TRANSPORTS: Final = ("polling", "websocket", "upgrade", "library")
"""`library` is our own client, the others are raw."""

WAYS_TO_GO: Final = ("leave", "close", "reset", "silence")

PINGS: Final[dict[str, Any]] = {"ping_interval": 2.0, "ping_timeout": 2.0}
"""Options of the server: silent clients are found out while the soak goes on."""

SILENCE: Final = 6.0
"""Seconds after which a silent client is gone."""

ANSWER: Final = 20.0
"""Seconds for an answer; the machine may be busy."""


@dataclass
class Tally:
    """What clients have done.

    Attributes:
        connected: Lives that were in the main namespace.
        questions: Answered ones.
        lives: By transport and way to go.
    """

    connected: int = 0
    questions: int = 0
    lives: Counter[str] = field(default_factory=Counter)


async def live(wire_of: Callable[[], Wire], chance: random.Random, tally: Tally) -> None:
    """Be one client."""
    transport, way = chance.choice(TRANSPORTS), chance.choice(WAYS_TO_GO)
    tally.lives[f"{transport}, {way}"] += 1
    wire = wire_of()
    try:
        if transport == "library":
            await _library(f"http://{wire.host}:{wire.port}", chance, tally)
        else:
            peer = await _open(wire, transport)
            reply = await peer.connect()
            assert reply.startswith("40"), reply
            tally.connected += 1
            await _talk(peer, chance, tally)
            await _go(peer, way)
    finally:
        for connection in wire._clients:
            connection.reset()


async def _open(wire: Wire, transport: str) -> Peer:
    if transport != "upgrade":
        return await wire.open(transport)
    polling = await wire.open_polling()
    poll = asyncio.ensure_future(polling.poll())
    websocket = await wire.websocket(wire.target("websocket", sid=polling.sid))
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    assert (await within(poll, ANSWER)).text == "6"
    websocket.send("5")
    return WebSocketPeer(websocket, "0" + json.dumps(polling.handshake))


async def _talk(peer: Peer, chance: random.Random, tally: Tally) -> None:
    """Ask, and join and leave rooms; every answer must come, and in order."""
    for number in range(1, chance.randrange(2, 12)):
        match chance.randrange(4):
            case 0:
                await peer.send(f'42{number}["room","{chance.randrange(ROOMS)}"]')
                await _answer(peer, number)
            case 1:
                data = chance.randbytes(chance.choice([1, 100, 20_000]))
                await peer.send(f'451-{number}["ask",{{"_placeholder":true,"num":0}}]', data)
                assert await _answer(peer, number) == data
                tally.questions += 1
            case _:
                text = "x" * chance.choice([1, 100, 20_000])
                await peer.send(f'42{number}["ask","{text}"]')
                assert await _answer(peer, number) == text
                tally.questions += 1
        await asyncio.sleep(chance.random() * 0.05)


async def _answer(peer: Peer, number: int) -> object:
    """The acknowledgement of this number; broadcasts before it are let by."""
    while True:
        packet = await within(peer.receive(), ANSWER)
        if not isinstance(packet, str):
            continue  # attachment of a broadcast
        if packet.startswith(f"43{number}["):
            return json.loads(packet.removeprefix(f"43{number}"))[0]
        if packet.startswith(f"461-{number}["):
            return await within(peer.receive(), ANSWER)
        assert packet.startswith("451-["), packet


async def _go(peer: Peer, way: str) -> None:
    """Vanish; after a reset or a silence the server has to find out by itself."""
    if way == "leave":
        await peer.send("41")
    elif way == "close" and isinstance(peer, WebSocketPeer):
        await peer.websocket.close(1000)
    elif way == "close":
        await peer.send("1")
    elif way == "silence" and isinstance(peer, WebSocketPeer):
        await within(peer.websocket.closed(), ANSWER)
    elif way == "silence":
        await asyncio.sleep(SILENCE)


async def _library(url: str, chance: random.Random, tally: Tally) -> None:
    """Our own client, on a transport of its choice."""
    choices: list[list[TransportName]] = [["polling", "websocket"], ["polling"], ["websocket"]]
    transports = chance.choice(choices)
    async with sockwave.connect(url, transports=transports) as socket:
        tally.connected += 1
        for number in range(chance.randrange(1, 12)):
            data: Any = chance.choice([number, "x" * 100, b"\x00" * 100, {"a": [b"\x01", None]}])
            assert await socket.emit_with_ack("ask", data, timeout=ANSWER) == data
            tally.questions += 1
            await asyncio.sleep(chance.random() * 0.05)
