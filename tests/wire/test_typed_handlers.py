"""Handlers that are checked by their annotations, over every front end, transport and parser."""

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sockwave import MsgpackParser, Server, Socket, connect
from tests.contract.test_handlers import BAD, GOOD, one

if TYPE_CHECKING:
    from tests.support.fronts import Front


class Note(msgspec.Struct):
    text: str
    at: dt.datetime
    image: bytes = b""


async def test_raw_events_are_answered(front: "Front", transport: str) -> None:
    io = Server()

    @io.event
    async def note(socket: Socket, note: Note) -> Note:
        return note

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        good = '{"text":"a","at":"2026-01-02T03:04:05Z","image":{"_placeholder":true,"num":0}}'
        await peer.send(f'451-1["note",{good}]', b"\x00\x01")
        assert await peer.receive() == f"461-1[{good}]"
        assert await peer.receive() == b"\x00\x01"
        reason = "Object missing required field `at`"
        told = f'{{"error":"validation","event":"note","path":"$","reason":"{reason}"}}'
        await peer.send('422["note",{"text":"a"}]')
        assert await peer.receive() == f"432[{told}]"
        await peer.send('42["note",{"text":"a"}]')
        assert await peer.receive() == f'42["error",{told}]'


def listen(socket: Socket, handlers: list[Any]) -> None:
    for number, handler in enumerate(handlers):
        socket.on(str(number), handler)


@pytest.mark.parametrize("parser", [None, MsgpackParser()], ids=["json", "msgpack"])
async def test_both_parsers_bring_the_same(front: "Front", parser: Any) -> None:
    io = Server(parser=parser)
    handlers = [one(kind) for kind, *_ in (*GOOD, *BAD)]
    async with front.serve(io) as wire:
        options: Any = {"path": wire.path, "transports": ["websocket"], "parser": parser}
        io.on("connection")(lambda socket: listen(socket, handlers))
        async with connect(f"http://{wire.host}:{wire.port}", **options) as client:
            for number, (_, sent, got) in enumerate(GOOD):
                assert await client.emit_with_ack(str(number), sent, timeout=40) is None
                assert handlers[number].got == got  # type: ignore[attr-defined] # set by the call
            for number, (_, sent, path, reason) in enumerate(BAD, len(GOOD)):
                answer = await client.emit_with_ack(str(number), sent, timeout=40)
                assert answer["path"] == path
                assert answer["reason"].startswith(reason)
                assert not hasattr(handlers[number], "got")
