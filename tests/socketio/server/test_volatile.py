"""Volatile events, as docs/delivery.md tells: what would wait is left out, the rest is in order."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from sockwave import Server
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import settle, socket_of
from tests.socketio.server.test_broadcast_write import CROWD, crowd, heard


def names(client: LinkedClient) -> list[str]:
    return [event for event, _ in client.received_nowait()]


async def test_nothing_waits_and_it_goes_out() -> None:
    io = Server()
    async with LinkedClient(io) as client:
        await settle()
        for event in ("a", "b"):
            socket_of(io, client).volatile.emit(event)
            await asyncio.sleep(0)
        await settle()
        assert names(client) == ["a", "b"]


async def test_client_that_polls_gets_it_by_an_open_poll_only() -> None:
    io = Server()
    async with LinkedClient(io, transport="polling") as client:
        await settle()
        client.pause()
        socket_of(io, client).emit("answers the open poll")
        await settle()
        socket_of(io, client).volatile.emit("between two polls")
        client.resume()
        await settle()
        socket_of(io, client).volatile.emit("a poll is open")
        await settle()
        assert names(client) == ["answers the open poll", "a poll is open"]


async def test_first_of_a_turn_goes_out() -> None:
    io = Server()
    async with LinkedClient(io) as client:
        await settle()
        for event in ("first", "second", "third"):
            socket_of(io, client).volatile.emit(event)
        await settle()
        socket_of(io, client).volatile.emit("another turn")
        await settle()
        assert names(client) == ["first", "another turn"]


async def test_second_broadcast_of_a_turn_reaches_whom_the_first_did_not() -> None:
    io = Server()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(LinkedClient(io)) for _ in range(3)]
        await settle()
        for client, rooms in zip(clients, (["a"], ["a", "b"], ["b"]), strict=True):
            for room in rooms:
                socket_of(io, client).join(room)
        io.volatile.to("a").emit("first")
        io.volatile.to("b").emit("second")
        await settle()
        assert [names(client) for client in clients] == [["first"], ["first"], ["second"]]


async def test_behind_another_event_it_is_left_out() -> None:
    io = Server()
    async with LinkedClient(io) as client:
        await settle()
        socket_of(io, client).emit("a")
        io.volatile.emit("b")
        io.emit("c")
        await settle()
        assert names(client) == ["a", "c"]


async def test_behind_a_broadcast_to_many_it_is_left_out() -> None:
    io = Server()
    async with crowd(io) as peers:
        io.emit("all")
        io.volatile.emit("volatile")
        io.emit("end")
        came = [event for peer in peers for event in await heard(peer)]
    assert came == [["all"]] * CROWD
