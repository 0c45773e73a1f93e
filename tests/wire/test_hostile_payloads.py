"""Payloads that are made to be expensive, for typed handlers, over each transport and parser."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import pydantic
import pytest

from sockwave import MsgpackParser, Server, Socket
from sockwave.codec.socketio import Packet, PacketType

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fronts import Front
    from tests.support.raw import Peer

PARSERS: Final = [None, MsgpackParser()]

parsers = pytest.mark.parametrize("parser", PARSERS, ids=["json", "msgpack"])


class Node(msgspec.Struct):
    value: int
    children: list[Node] = []
    next: Node | None = None


class Cat(msgspec.Struct, tag="cat"):
    inner: Cat | Dog | None = None


class Dog(msgspec.Struct, tag="dog"):
    inner: Cat | Dog | None = None


class Model(pydantic.BaseModel):
    value: int


def chain(length: int, last: Any) -> Any:
    value = {"value": last}
    for _ in range(length):
        value = {"value": 1, "next": value}
    return value


def pets(length: int, last: str) -> Any:
    value: Any = {"type": last}
    for _ in range(length):
        value = {"type": "dog", "inner": value}
    return value


HOSTILE: Final[dict[str, tuple[Any, Callable[[int], list[Any]], Callable[[int], str]]]] = {
    "many members": (
        Node,
        lambda size: [{str(number): 1 for number in range(size)}],
        lambda size: "$",
    ),
    "many of a table": (
        dict[str, int],
        lambda size: [{**{str(number): 1 for number in range(size)}, "x": "x"}],
        lambda size: "$[...]",
    ),
    "many children": (
        Node,
        lambda size: [{"value": 1, "children": [{"value": 1}] * size + [1]}],
        lambda size: f"$.children[{size}]",
    ),
    "deep": (Node, lambda size: [chain(100, "x")], lambda size: f"${'.next' * 100}.value"),
    "deep union": (
        Cat | Dog,
        lambda size: [pets(100, "cow")],
        lambda size: f"${'.inner' * 100}.type",
    ),
    "long tag": (Cat | Dog, lambda size: [{"type": "x" * 20 * size}], lambda size: "$.type"),
    "long text": (int, lambda size: ["9" * 20 * size], lambda size: "$"),
    "long text by a pattern": (
        Annotated[str, msgspec.Meta(pattern="^[a-z]+$")],
        lambda size: ["a" * 20 * size + "!"],
        lambda size: "$",
    ),
    "many alike": (set[int], lambda size: [[*[5] * size, "x"]], lambda size: f"$[{size}]"),
    "many models": (
        list[Model],
        lambda size: [[{"value": 1}] * size + [{"value": "x"}]],
        lambda size: f"$[{size}].value",
    ),
    "huge number": (int, lambda size: [1e308], lambda size: "$"),
}
"""By name: the type, a payload of some size, and where it is wrong."""


def server_of(kind: Any, parser: Any, seen: list[Any]) -> Server:
    io = Server(parser=parser, block_warning=None)  # steps are counted, which makes all of it slow

    def take(socket: Socket, value: Any) -> None:
        seen.append(value)

    take.__annotations__ = {"socket": Socket, "value": kind, "return": None}
    io.event(take)
    return io


async def ask(peer: Peer, parser: Any, args: list[Any]) -> Any:
    """What the event `take` is answered with."""
    if parser is None:
        await peer.send(f"420{json.dumps(['take', *args])}")
        answer = await peer.receive()
        assert isinstance(answer, str) and answer.startswith("430")
        return json.loads(answer[3:])[0]
    (message,) = parser.encode(Packet(PacketType.EVENT, "/", 0, ["take", *args]))
    await peer.send(message)
    answer = await peer.receive()
    assert isinstance(answer, bytes)
    return msgspec.msgpack.decode(answer)["data"][0]


async def joined(peer: Peer, parser: Any) -> None:
    if parser is None:
        await peer.connect()
        return
    await peer.send(*parser.encode(Packet(PacketType.CONNECT, "/", None, None)))
    await peer.receive()


@parsers
@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_payload_has_a_short_answer_and_the_connection_goes_on(
    native: Front, transport: str, parser: Any, name: str
) -> None:
    kind, payload, path = HOSTILE[name]
    seen: list[Any] = []
    io = server_of(kind, parser, seen)
    async with native.serve(io) as wire:
        peer = await wire.open(transport)
        await joined(peer, parser)
        for _ in range(2):
            answer = await ask(peer, parser, payload(20_000))
            assert (answer["error"], answer["path"]) == ("validation", path(20_000))
            assert len(answer["reason"]) < 250
    assert (seen, io.invalid_events) == ([], 2)


@parsers
@pytest.mark.parametrize("name", HOSTILE)
async def test_steps_of_a_check_grow_no_faster_than_the_payload(
    native: Front, parser: Any, name: str
) -> None:
    kind, payload, _ = HOSTILE[name]
    async with native.serve(server_of(kind, parser, [])) as wire:
        peer = await wire.open("websocket")
        await joined(peer, parser)
        await ask(peer, parser, payload(1))  # what is made with the first one is no part of it
        counted = []
        for size in (2_000, 4_000):
            steps = Steps()
            sys.setprofile(steps.note)
            try:
                await ask(peer, parser, payload(size))
            finally:
                sys.setprofile(None)
            counted.append(steps.count)
    few, many = counted
    assert few > 0
    assert many <= 2 * few


class Steps:
    """Counts the calls that the checks of typed handlers make."""

    def __init__(self) -> None:
        self.count = 0

    def note(self, frame: Any, event: str, argument: object) -> None:
        """As `sys.setprofile` wants it."""
        if event in ("call", "c_call") and "/sockwave/contract/" in frame.f_code.co_filename:
            self.count += 1
