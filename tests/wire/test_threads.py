"""Emitting from other threads than the loop's: handed over, in order."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import EncodeError, Server
from tests.support.apps import echo_engine, the_session, the_socket
from tests.support.raw import until, within
from tests.support.values import UNSENDABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fronts import Front


async def in_thread(work: Callable[[], object]) -> None:
    """Run in a thread that is not the loop's."""
    await within(asyncio.to_thread(work))


async def test_events_of_a_thread_arrive_in_order(every_front: Front, transport: str) -> None:
    io = Server()
    async with every_front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        socket = the_socket(io)

        def work() -> None:
            for number in range(100):
                socket.emit("n", number)

        await in_thread(work)
        assert [await peer.receive() for _ in range(100)] == [f'42["n",{n}]' for n in range(100)]


async def test_all_kinds_of_sending_of_a_thread_keep_one_order(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        socket = the_socket(io)

        def work() -> None:
            socket.join("room")
            socket.emit("a")
            io.emit("b", 1)
            io.to("room").emit("c", {"x": []})
            socket.emit("d", b"\x00")
            socket.compress(False).emit("e")
            io.to(socket.id).emit("f", b"\x01")
            socket.leave("room")
            io.to("room").emit("never")
            socket.send("g")
            socket.disconnect()
            socket.emit("never")

        await in_thread(work)
        place = '{"_placeholder":true,"num":0}'
        expected = [
            '42["a"]',
            '42["b",1]',
            '42["c",{"x":[]}]',
            f'451-["d",{place}]',
            b"\x00",
            '42["e"]',
            f'451-["f",{place}]',
            b"\x01",
            '42["message","g"]',
            "41",
        ]
        assert [await peer.receive() for _ in expected] == expected


async def test_many_threads_each_keep_their_order(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peers = [await wire.open_websocket() for _ in range(3)]
        for peer in peers:
            await peer.connect()
        start = threading.Barrier(4)

        def work(thread: int) -> None:
            start.wait()
            for number in range(50):
                io.emit("n", thread, number)

        threads = [asyncio.to_thread(work, thread) for thread in range(4)]
        await within(asyncio.gather(*threads))
        for peer in peers:
            packets = [str(await peer.receive()) for _ in range(200)]
            for thread in range(4):
                mine = [packet for packet in packets if packet.startswith(f'42["n",{thread},')]
                assert mine == [f'42["n",{thread},{number}]' for number in range(50)]


async def test_messages_of_a_session_may_be_sent_from_a_thread(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        session = the_session(engine)

        def work() -> None:
            for number in range(20):
                session.send(str(number))
            session.send(b"\x00")

        await in_thread(work)
        expected = [f"4{number}" for number in range(20)]
        assert [await peer.receive() for _ in range(21)] == [*expected, b"\x00"]


async def test_errors_belong_to_the_thread_that_calls(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        socket = the_socket(io)
        got: list[Any] = []

        def work() -> None:
            with pytest.raises(EncodeError):
                socket.emit("e", UNSENDABLE)
            with pytest.raises(EncodeError):
                io.emit("e", UNSENDABLE)
            with pytest.raises(EncodeError):
                socket.emit("e", UNSENDABLE, ack=got.append)
            with pytest.raises(ValueError, match="reserved"):
                socket.emit("disconnect")
            socket.emit("ok")

        await in_thread(work)
        assert await peer.receive() == '42["ok"]'


async def test_acknowledgement_for_a_thread_is_called_in_the_loop(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        socket = the_socket(io)
        got: list[Any] = []

        def answered(value: Any) -> None:
            got.append((value, threading.get_ident()))

        await in_thread(lambda: socket.emit("q", ack=answered))
        assert await peer.receive() == '420["q"]'
        await peer.send('430["a"]')
        await until(lambda: got)
        assert got == [("a", threading.get_ident())]
