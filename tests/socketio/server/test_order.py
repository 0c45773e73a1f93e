"""Orders of handlers, against a model: who may run beside whom, and who comes after whom."""

from __future__ import annotations

import asyncio
import random
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Server, Socket
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import settle, socket_of

if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Literal

    Kind = Literal["websocket", "polling"]


class Trace:
    """Handlers that say when they begin and end, and end when they are told to."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._gates: dict[int, asyncio.Event] = {}

    async def __call__(self, number: int, *_: Any) -> int:
        self.lines.append(f"begin {number}")
        await self._gates.setdefault(number, asyncio.Event()).wait()
        self.lines.append(f"end {number}")
        return number

    def let_end(self, number: int) -> None:
        self._gates.setdefault(number, asyncio.Event()).set()


async def test_handlers_without_an_order_run_side_by_side() -> None:
    io, trace = Server(), Trace()
    async with LinkedClient(io) as client:
        socket_of(io, client).on("e", trace)
        for number in range(3):
            client.emit("e", number)
        await settle()
        assert trace.lines == ["begin 0", "begin 1", "begin 2"]


async def test_plain_handlers_may_run_before_async_ones_of_earlier_events_on_3_11(
    transport: Kind,
) -> None:
    """From 3.12 on a coroutine begins at once; before, when what was read is worked off."""
    assert await started(Server(), transport) == (
        [0, 1, 2, 3] if sys.version_info >= (3, 12) else [1, 3, 0, 2]
    )


async def test_socket_order_keeps_plain_and_async_handlers_in_order(transport: Kind) -> None:
    assert await started(Server(order="socket"), transport) == [0, 1, 2, 3]


async def started(io: Server, transport: Kind) -> list[int]:
    """Numbers of events in the order in which their handlers start: every other one is async."""
    order: list[int] = []

    @io.event
    async def even(socket: Socket, number: int) -> None:
        order.append(number)

    @io.event
    def odd(socket: Socket, number: int) -> None:
        order.append(number)

    async with LinkedClient(io, transport=transport) as client:
        for number in range(4):
            client.emit("odd" if number % 2 else "even", number)
        await settle()
    return order


async def test_socket_order_ends_each_handler_before_the_next_begins(transport: Kind) -> None:
    io, trace = Server(order="socket"), Trace()
    async with LinkedClient(io, transport=transport) as client:
        socket_of(io, client).on("e", trace)
        for number in range(3):
            client.emit("e", number)
        await settle()
        assert trace.lines == ["begin 0"]
        for number in (2, 1, 0):
            trace.let_end(number)
        assert await client.emit_with_ack("e", 0) == 0
        lines = [f"{what} {number}" for number in range(3) for what in ("begin", "end")]
        assert trace.lines == [*lines, "begin 0", "end 0"]


async def test_nothing_more_is_read_while_a_handler_in_socket_order_runs() -> None:
    io, trace = Server(), Trace()
    seen: list[int] = []
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on("slow", trace, order="socket")
        socket.on("quick", seen.append)
        client.emit("slow", 0)
        await settle()
        client.emit("quick", 1)
        await settle()
        assert not seen
        trace.let_end(0)
        await settle()
        assert seen == [1]


async def test_sockets_in_socket_order_do_not_wait_for_each_other() -> None:
    io, trace = Server(order="socket"), Trace()
    io.event("e")(lambda socket, number: trace(number))
    async with LinkedClient(io) as one, LinkedClient(io) as two:
        one.emit("e", 1)
        two.emit("e", 2)
        await settle()
        assert trace.lines == ["begin 1", "begin 2"]


async def test_order_of_a_namespace_is_its_own() -> None:
    io, trace = Server(), Trace()
    io.of("/ordered").order = "socket"
    for name in ("/", "/ordered"):
        io.of(name).event("e")(lambda socket, number: trace(number))
    async with LinkedClient(io) as free, LinkedClient(io, "/ordered") as ordered:
        for number in (1, 2):
            free.emit("e", number)
            ordered.emit("e", number + 10)
        await settle()
        assert sorted(trace.lines) == ["begin 1", "begin 11", "begin 2"]


async def test_key_function_keeps_each_key_in_order_across_clients() -> None:
    io, trace = Server(), Trace()

    @io.event("edit", order=lambda socket, number, document: document)
    async def edit(socket: Socket, number: int, document: str) -> None:
        await trace(number)

    async with LinkedClient(io) as one, LinkedClient(io) as two:
        one.emit("edit", 1, "a")
        await settle()
        two.emit("edit", 2, "a")
        one.emit("edit", 3, "b")
        await settle()
        assert trace.lines == ["begin 1", "begin 3"]
        trace.let_end(1)
        await settle()
        assert trace.lines == ["begin 1", "begin 3", "end 1", "begin 2"]


async def test_failing_handler_lets_the_next_in_its_lane_run() -> None:
    io = Server(order="socket")
    failures: list[str] = []
    io.on_error(lambda error, failure: failures.append(str(error)))

    @io.event
    async def e(socket: Socket, number: int) -> int:
        await asyncio.sleep(0)
        if number == 1:
            raise RuntimeError("broken")
        return number

    async with LinkedClient(io) as client:
        client.emit("e", 1)
        assert await client.emit_with_ack("e", 2) == 2
        assert failures == ["broken"]


async def test_key_function_that_fails_is_a_handler_that_fails() -> None:
    io = Server()
    failures: list[type[Exception]] = []
    io.on_error(lambda error, failure: failures.append(type(error)))
    io.event("e", order=lambda socket: "key")(lambda socket, number: number)
    async with LinkedClient(io) as client:
        client.emit("e", 1)
        await settle()
        assert failures == [TypeError]


async def test_waiting_events_of_a_client_that_left_do_not_run() -> None:
    io, trace = Server(), Trace()
    io.event("e", order=lambda socket, number: "one lane")(lambda socket, number: trace(number))
    async with LinkedClient(io) as stays, LinkedClient(io) as leaves:
        stays.emit("e", 1)
        await settle()
        leaves.emit("e", 2)
        await settle()
        socket_of(io, leaves).disconnect()
        trace.let_end(1)
        await settle()
        assert trace.lines == ["begin 1", "end 1"]


async def test_lanes_leave_nothing_behind() -> None:
    io = Server(order=lambda socket, number: number)

    @io.event
    async def e(socket: Socket, number: int) -> None:
        await asyncio.sleep(0)

    async with LinkedClient(io) as client:
        for number in range(100):
            client.emit("e", number)
        await client.emit_with_ack("e", 0)
        await settle()
        assert not io.of("/")._lanes


@pytest.mark.patient
async def test_held_session_is_not_found_silent() -> None:
    io = Server(order="socket", ping_interval=0.05, ping_timeout=0.05)
    trace = Trace()
    async with LinkedClient(io) as client:
        socket_of(io, client).on("e", trace)
        client.emit("e", 0)
        await asyncio.sleep(0.3)
        trace.let_end(0)
        assert await client.emit_with_ack("e", 0) == 0


@pytest.mark.parametrize("seed", range(5))
async def test_random_events_keep_the_model(seed: int) -> None:
    """Of each key, ends and begins alternate, and numbers come in the order of arrival."""
    chance = random.Random(seed)
    running: dict[Hashable, int] = {}
    done: dict[Hashable, list[int]] = {}
    io = Server(order=lambda socket, number, key: key)

    @io.event
    async def e(socket: Socket, number: int, key: str) -> None:
        assert key not in running
        running[key] = number
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        assert running.pop(key) == number
        done.setdefault(key, []).append(number)

    async with LinkedClient(io) as client:
        sent: dict[str, list[int]] = {}
        for number in range(200):
            key = chance.choice("abc")
            client.emit("e", number, key)
            sent.setdefault(key, []).append(number)
            if chance.random() < 0.2:
                await asyncio.sleep(0)
        for key in "abc":
            await client.emit_with_ack("e", -1, key)
            sent[key].append(-1)
        assert done == sent


@pytest.mark.parametrize("order", ["namespace", 1])
def test_what_is_no_order_is_refused(order: Any) -> None:
    with pytest.raises(ValueError, match="order"):
        Server(order=order)
    with pytest.raises(ValueError, match="order"):
        Server().event("e", order=order)
