"""Reaching many sockets of a server: rooms, flags, answers, and what is done to all of them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import AckTimeout, Server
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import Log, settle, socket_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sockwave import BroadcastOperator, Socket


@pytest.fixture
def io() -> Server:
    """A server with the namespaces `/` and `/admin`."""
    io = Server()
    io.of("/admin")
    return io


@asynccontextmanager
async def four_clients(io: Server) -> AsyncIterator[dict[str, LinkedClient]]:
    """Connect `a` (room r), `b` (rooms r and s), `c` (room s) and `d` (none); `b` polls."""
    rooms = {"a": ["r"], "b": ["r", "s"], "c": ["s"], "d": []}
    async with AsyncExitStack() as stack:
        clients = {}
        for name, joined in rooms.items():
            client = LinkedClient(io, transport="polling" if name == "b" else "websocket")
            clients[name] = await stack.enter_async_context(client)
            socket_of(io, client).join(joined)
        await settle()
        yield clients


async def reached(clients: dict[str, LinkedClient]) -> str:
    """Names of the clients that got exactly one event."""
    await settle()
    counts = {name: len(client.received_nowait()) for name, client in clients.items()}
    assert max(counts.values()) <= 1, "each socket once"
    return "".join(name for name, count in counts.items() if count)


# --- whom -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choose", "expected"),
    [
        (lambda io: io.to("r"), "ab"),
        (lambda io: io.in_("s"), "bc"),
        (lambda io: io.to("r", "s"), "abc"),
        (lambda io: io.to(["r", "s"]).to("r"), "abc"),
        (lambda io: io.except_("r"), "cd"),
        (lambda io: io.to("r").except_("s"), "a"),
        (lambda io: io.to("nowhere"), ""),
        (lambda io: io.local, "abcd"),
        (lambda io: io.volatile, "abcd"),
        (lambda io: io.compress(False), "abcd"),
        (lambda io: io.timeout(5), "abcd"),
        (lambda io: io.of("/").to("r"), "ab"),
        (lambda io: io.of("/").in_("r"), "ab"),
        (lambda io: io.of("/").except_("r", "s"), "d"),
        (lambda io: io.of("/").local.to("s"), "bc"),
        (lambda io: io.of("/admin").to("r"), ""),
    ],
)
async def test_operator_of_the_server_reaches(
    io: Server, choose: Callable[[Server], BroadcastOperator[Socket]], expected: str
) -> None:
    async with four_clients(io) as clients:
        choose(io).emit("x")
        assert await reached(clients) == expected


@pytest.mark.parametrize(
    ("choose", "expected"),
    [
        (lambda socket: socket.broadcast, "bcd"),
        (lambda socket: socket.local, "bcd"),
        (lambda socket: socket.to("r"), "b"),
        (lambda socket: socket.in_("r", "s"), "bc"),
        (lambda socket: socket.except_("s"), "d"),
        (lambda socket: socket.to("r").to(socket.id), "b"),
        (lambda socket: socket.to(socket.id), ""),
        (lambda socket: socket.broadcast.volatile, "bcd"),
        (lambda socket: socket.volatile.to("r"), "b"),
        (lambda socket: socket.compress(False).broadcast, "bcd"),
    ],
)
async def test_operator_of_a_socket_reaches_others_only(
    io: Server, choose: Callable[[Socket], BroadcastOperator[Socket]], expected: str
) -> None:
    async with four_clients(io) as clients:
        choose(socket_of(io, clients["a"])).emit("x")
        assert await reached(clients) == expected


async def test_everybody_gets_emit_and_send(io: Server) -> None:
    async with four_clients(io) as clients:
        io.emit("x", {"n": 1}, b"\x01")
        io.send("text")
        io.of("/").send("again")
        await settle()
        for client in clients.values():
            assert client.received_nowait() == [
                ("x", [{"n": 1}, b"\x01"]),
                ("message", ["text"]),
                ("message", ["again"]),
            ]


async def test_namespaces_are_apart(io: Server) -> None:
    async with LinkedClient(io) as client, client.of("/admin") as admin:
        socket_of(io, client).join("r")
        socket_of(io, admin, "/admin").join("r")
        io.of("/admin").to("r").emit("x")
        await settle()
        assert (client.received_nowait(), admin.received_nowait()) == ([], [("x", [])])


async def test_socket_is_reached_by_its_id(io: Server) -> None:
    async with four_clients(io) as clients:
        io.to(str(clients["c"].sid)).emit("x")
        assert await reached(clients) == "c"


async def test_operator_can_be_kept_and_used_again(io: Server) -> None:
    async with four_clients(io) as clients:
        room = io.to("r")
        room.except_("s").emit("x")
        assert await reached(clients) == "a"
        room.emit("x")
        assert await reached(clients) == "ab"


async def test_broadcast_before_anybody_connected_is_no_error() -> None:
    io = Server()
    io.emit("x")
    io.disconnect_sockets()
    assert await io.fetch_sockets() == []


async def test_handler_that_leaves_during_a_broadcast_does_not_disturb_it(io: Server) -> None:
    async with four_clients(io) as clients:
        first = socket_of(io, clients["a"])
        first.on_any_outgoing(lambda *args: io.sockets_leave("r", "s"))
        io.to("r", "s").emit("x")
        assert await reached(clients) == "abc"


# --- with answers ---------------------------------------------------------------------------------


async def test_all_answers_are_collected_in_order_of_arrival(io: Server) -> None:
    async with four_clients(io) as clients:
        for name, client in clients.items():
            client.on("who", lambda name=name: name)
        answers = await io.timeout(5).emit_with_ack("who")
        assert sorted(answers) == ["a", "b", "c", "d"]
        assert sorted(await io.to("r").emit_with_ack("who", timeout=5)) == ["a", "b"]
        assert await io.to("r").except_("s").emit_with_ack("who") == ["a"]


@pytest.mark.parametrize(
    ("answered", "value"), [(None, None), ((1, 2), (1, 2)), (b"\x01", b"\x01")]
)
async def test_each_answer_has_the_form_of_a_single_one(
    io: Server, answered: Any, value: Any
) -> None:
    async with LinkedClient(io) as client:
        client.on("x", lambda: answered)
        assert await io.emit_with_ack("x") == [value]


async def test_question_may_be_binary(io: Server) -> None:
    async with LinkedClient(io) as client:
        client.on("x", lambda data: data + b"\x02")
        assert await io.emit_with_ack("x", b"\x01") == [b"\x01\x02"]


async def test_one_that_is_silent_is_a_timeout_with_the_other_answers(io: Server) -> None:
    async with four_clients(io) as clients:
        for name in "ac":
            clients[name].on("who", lambda name=name: name)
        with pytest.raises(AckTimeout) as caught:
            await io.timeout(0.02).emit_with_ack("who")
        assert sorted(caught.value.responses) == ["a", "c"]


async def test_one_that_leaves_is_a_timeout_once_the_others_have_answered(io: Server) -> None:
    async with four_clients(io) as clients:
        for name in "abc":
            clients[name].on("who", lambda name=name: name)
        asking = asyncio.ensure_future(io.emit_with_ack("who", timeout=5))
        await settle()
        clients["d"].disconnect()
        with pytest.raises(AckTimeout) as caught:
            await asking
        assert sorted(caught.value.responses) == ["a", "b", "c"]


async def test_nobody_reached_is_an_empty_answer(io: Server) -> None:
    async with LinkedClient(io):
        assert await io.to("nowhere").emit_with_ack("x", timeout=5) == []


async def test_timeout_of_zero_is_a_real_one(io: Server) -> None:
    async with LinkedClient(io), asyncio.timeout(10):  # less than ack_timeout
        with pytest.raises(AckTimeout):
            await io.timeout(0).emit_with_ack("x")


async def test_default_time_is_that_of_the_server() -> None:
    io = Server(ack_timeout=0.01)
    async with LinkedClient(io):
        with pytest.raises(AckTimeout):
            await io.emit_with_ack("x")


@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_nothing_is_left_of_a_wait_that_ended(io: Server, how: str) -> None:
    async with LinkedClient(io) as client:
        asking = asyncio.ensure_future(io.emit_with_ack("x", timeout=0.01))
        await settle(2)
        if how == "cancel":
            asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled() or isinstance(asking.exception(), AckTimeout)
        socket = socket_of(io, client)
        assert socket._acks is not None and len(socket._acks) == 0
        client.send_raw("430[]")
        await settle()
        assert socket.connected


async def test_broadcast_with_answers_is_not_refused_for_a_socket_that_owes_many() -> None:
    io = Server(max_pending_acks=1)
    async with LinkedClient(io) as client:
        client.on("x", lambda: "yes")
        socket_of(io, client).emit("silent", ack=print)
        assert await io.emit_with_ack("x") == ["yes"]


# --- all of them ----------------------------------------------------------------------------------


async def test_sockets_are_fetched(io: Server) -> None:
    async with four_clients(io) as clients:
        everybody = [socket_of(io, client) for client in clients.values()]
        assert await io.fetch_sockets() == await io.of("/").fetch_sockets() == everybody
        assert await io.in_("r").fetch_sockets() == everybody[:2]
        assert await everybody[0].broadcast.fetch_sockets() == everybody[1:]
        assert await io.of("/admin").fetch_sockets() == []


async def test_sockets_join_and_leave_at_once(io: Server) -> None:
    async with four_clients(io) as clients:
        io.in_("r").sockets_join("t", ["u"])
        assert {s.id for s in await io.in_("t").fetch_sockets()} == {
            clients["a"].sid,
            clients["b"].sid,
        }
        io.of("/").sockets_join("all")
        io.sockets_leave("t")
        io.of("/").sockets_leave("u")
        assert await io.in_("t", "u").fetch_sockets() == []
        assert len(await io.in_("all").fetch_sockets()) == 4


async def test_sockets_are_disconnected(io: Server) -> None:
    async with four_clients(io) as clients:
        io.in_("r").disconnect_sockets()
        for name in "ab":
            assert await clients[name].disconnected() == "io server disconnect"
        assert len(io.engine.sessions) == 4, "the connections stay"
        io.of("/").disconnect_sockets(close=True)
        await settle()
        assert io.sockets == {}
        assert len(io.engine.sessions) == 2


async def test_disconnect_handler_may_disconnect_others(io: Server) -> None:
    reasons = Log()

    @io.event("disconnect")
    def gone(socket: Socket, reason: str) -> None:
        reasons(reason)
        io.disconnect_sockets()

    async with four_clients(io):
        io.disconnect_sockets()
        await settle()
    assert reasons == [("server namespace disconnect",)] * 4


async def test_no_rooms_at_all_reach_nobody() -> None:
    io = Server()
    rooms: list[str] = []
    async with LinkedClient(io) as client:
        io.to(*rooms).emit("nobody")
        io.to(*rooms).to("r").emit("nobody")
        io.emit("all")
        assert await client.received() == ("all", [])
