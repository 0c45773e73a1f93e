"""Binary messages as text: of clients that cannot send or take bytes, and as other platforms write
base64. It is read on every way in; it goes out to who asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.support.apps import echo_engine, echo_server, the_session
from tests.support.raw import RawWebSocket, within

if TYPE_CHECKING:
    from tests.support.fronts import Front, Wire

WRITTEN = {
    "plain": "AQIDBA==",
    "in lines": "AQ\nID\r\nBA==\n",
    "for URLs": "AQIDBA",
    "cut": "AQIDBA=x",
}
DATA = b"\x01\x02\x03\x04"

written = pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)


async def upgraded(wire: Wire, **query: str) -> RawWebSocket:
    """A WebSocket that a polling session has moved to."""
    peer = await wire.open_polling(**query)
    websocket = await wire.websocket(wire.target("websocket", sid=peer.sid, **query))
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    websocket.send("5")
    return websocket


async def opened(wire: Wire, way: str, **query: str) -> RawWebSocket:
    if way == "upgraded":
        return await upgraded(wire, **query)
    return (await wire.open_websocket(**query)).websocket


way = pytest.mark.parametrize("way", ["direct", "upgraded"])


@way
@written
async def test_client_that_forces_base64_gets_its_answers_so(
    front: Front, way: str, text: str
) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        websocket = await opened(wire, way, b64="1")
        websocket.send(f"b{text}")
        assert await websocket.receive() == "bAQIDBA=="
        websocket.send(DATA)
        assert await websocket.receive() == "bAQIDBA=="
        websocket.send("4text")
        assert await websocket.receive() == "4text"
        assert ends == []


@way
@pytest.mark.parametrize("query", [{}, {"b64": ""}], ids=["unasked", "empty"])
async def test_base64_of_a_client_that_did_not_ask_for_it_is_read(
    front: Front, way: str, query: dict[str, str]
) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        websocket = await opened(wire, way, **query)
        websocket.send("bAQIDBA==")
        assert await websocket.receive() == DATA


async def test_attachments_go_both_ways_as_text(front: Front) -> None:
    io, _ = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket(b64="1")
        await peer.connect()
        text = '["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
        await peer.send(f"452-{text}", "bAQI=", "bAw==")
        assert [await peer.receive() for _ in range(3)] == [f"452-{text}", "bAQI=", "bAw=="]
        io.emit("all", b"\x01")
        assert [await peer.receive() for _ in range(2)] == [
            '451-["all",{"_placeholder":true,"num":0}]',
            "bAQ==",
        ]


@written
async def test_payload_of_polling_is_read_however_its_base64_is_written(
    every_front: Front, text: str
) -> None:
    io, _ = echo_server()
    async with every_front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        event = '451-["echo",{"_placeholder":true,"num":0}]'
        await peer.send(f"{event}\x1eb{text}")
        assert [await peer.receive() for _ in range(2)] == [event, DATA]


@written
@pytest.mark.parametrize("query", [{"b64": "1"}, {"j": "0"}], ids=["body", "script"])
async def test_payload_of_revision_3_is_read_the_same(
    front: Front, text: str, query: dict[str, str]
) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        http = await wire.http()
        await http.get(wire.target("polling", "3", **query))
        target = wire.target("polling", "3", sid=the_session(engine).id, **query)
        packet = f"b4{text}"
        body = f"{len(packet)}:{packet}"
        if "j" in query:
            body = f"d={quote(body)}"
        reply = await http.post(target, body)
        assert reply.status == 200
        assert "10:b4AQIDBA==" in (await http.get(target)).text


@written
async def test_websocket_of_revision_3_reads_the_same(front: Front, text: str) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        websocket = await wire.websocket(wire.target("websocket", "3", b64="1"))
        await websocket.receive_text()
        websocket.send(f"b4{text}")
        assert await within(websocket.receive()) == "b4AQIDBA=="
