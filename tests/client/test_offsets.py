"""Handlers, streams and hooks of our client never see the offset of a server with recovery."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import ClientSocket, MsgpackParser, Server, Socket, connect
from sockwave.socketio.client.offsets import Offsets
from tests.client.servers import native_server

if TYPE_CHECKING:
    from collections.abc import Callable


async def check(socket: ClientSocket, *args: Any) -> None:
    """The server sends back what it gets: everything of ours gets just that."""
    seen: list[Any] = []
    expected = dict(zip(("text", "loud"), args, strict=False)).get("loud", False)

    def with_default(text: Any, loud: Any = False) -> None:
        seen.append(loud)

    socket.on("echo", with_default)
    socket.on("echo", lambda *given: seen.append(given))
    socket.on_any(lambda *given: seen.append(given))
    named, all_of_them = socket.events("echo"), socket.events()
    socket.emit("echo", *args)
    assert await anext(named) == args
    assert await anext(all_of_them) == ("echo", *args)
    assert seen == [("echo", *args), expected, args]


@pytest.mark.parametrize("parser", [None, MsgpackParser()], ids=["JSON", "msgpack"])
@pytest.mark.parametrize(
    "args", [("hello",), ("hello", "loud"), (b"\0", "loud"), (1, b"\0"), ({"a": "b"},)]
)
async def test_offset_of_our_server_is_no_argument(
    options: dict[str, Any], parser: Any, args: tuple[Any, ...]
) -> None:
    io = native_server(connection_state_recovery=True, parser=parser)
    async with io.listen() as listener, connect(listener.url, parser=parser, **options) as socket:
        await check(socket, *args)


async def test_offset_of_node_is_no_argument(
    options: dict[str, Any], start: Callable[..., str]
) -> None:
    async with connect(start("node", RECOVERY="1"), **options) as socket:
        await check(socket, "hello")


async def test_text_at_the_end_of_a_volatile_event_is_an_argument() -> None:
    """Also text that was the offset of an earlier event."""
    io = Server(connection_state_recovery=True)

    @io.on("connection")
    def serve(socket: Socket) -> None:
        socket.on("logged", lambda text: socket.emit("event", text))
        socket.on("volatile", lambda text: socket.volatile.emit("event", text))

    offsets: list[str] = []
    async with (
        io.listen() as listener,
        connect(listener.url, transports=["websocket"]) as socket,
    ):
        socket.manager.on("packet", lambda packet: offsets.append(packet.data[-1]))
        events = socket.events("event")
        socket.emit("logged", "one")
        assert await anext(events) == ("one",)
        for text in ("two", offsets[0]):
            socket.emit("volatile", text)
            assert await anext(events) == (text,)


@pytest.mark.parametrize("is_on", [True, False], ids=["recovery", "no recovery"])
async def test_auth_of_a_handshake_does_not_show_the_secret_of_the_recovery(is_on: bool) -> None:
    io = Server(connection_state_recovery=is_on)
    told: list[Any] = []
    told_to_pattern: list[Any] = []

    def pattern(name: str, auth: dict[str, Any]) -> bool:
        told_to_pattern.append(auth)
        return True

    @io.of(pattern).on("connection")
    def serve(socket: Socket) -> None:
        told.append(dict(socket.handshake.auth))
        socket.on("go", lambda: socket.emit("event", 1))

    async with (
        io.listen() as listener,
        connect(f"{listener.url}/x", auth={"token": 1}, reconnection_delay=0.01) as socket,
    ):
        events = socket.events("event")
        socket.emit("go")
        await anext(events)
        lost = asyncio.Event()
        socket.on("disconnect", lost.set)
        socket.manager.restart()
        await lost.wait()
        await socket.wait_connected(40)
        assert socket.recovered is is_on
        assert set(map(repr, told + told_to_pattern)) == {"{'token': 1}"}


def test_client_that_is_back_at_another_process_takes_the_offsets_of_its_log() -> None:
    offsets = Offsets()
    here, there = "aaaaaaaaaaaa.", "bbbbbbbbbbbb."
    assert not offsets.accepted(here + "c" * 20)
    assert offsets.without(["event", here + "1f"]) == ["event"]
    assert offsets.without(["event", there + "1"]) == ["event", there + "1"], "nobody has moved"
    assert offsets.accepted(here + "c" * 20)
    assert offsets.without(["event", there + "1"]) == ["event"]
    assert offsets.without(["event", there + "1"]) == ["event", there + "1"], "not the next one"
    assert offsets.without(["event", here + "20"]) == ["event", here + "20"], "it was there before"
    assert offsets.last == there + "1"
