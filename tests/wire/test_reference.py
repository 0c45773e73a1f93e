"""Cases of the reference (docs/conformance.md) that belong to no other file of this folder."""

from __future__ import annotations

import array
import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Server, Socket
from tests.support.apps import echo_engine, echo_server, ends_of, the_session, the_socket
from tests.support.raw import UNIT, PollingPeer, until, within

if TYPE_CHECKING:
    from sockwave.engine import Session
    from tests.support.fronts import Front

# --- the files of the client (docs/protocol/server.md#client-files) -------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
async def test_client_file_is_served_to_any_method(front: Front, method: str) -> None:
    async with front.serve(Server()) as wire:
        reply = await wire.request(method, f"{wire.path}socket.io.min.js?v=4")
        assert reply.status == 200
        assert reply.header("content-type") == "application/javascript; charset=utf-8"
        assert reply.header("cache-control") == "public, max-age=0"
        assert (b"Socket.IO" in reply.body) is (method != "HEAD")
        tag = reply.header("etag") or ""
        again = await wire.get(f"{wire.path}socket.io.min.js", if_none_match=f"W/{tag}")
        assert (again.status, again.body, again.header("etag")) == (304, b"", None)


@pytest.mark.parametrize("name", ["socket.io.esm.js", "socket.io.js.gz", "x/socket.io.js"])
async def test_other_file_is_a_matter_of_the_engine(front: Front, name: str) -> None:
    async with front.serve(Server()) as wire:
        reply = await wire.get(wire.path + name)
        assert reply.json() == {"code": 0, "message": "Transport unknown"}


async def test_client_files_may_be_off(front: Front) -> None:
    async with front.serve(Server(serve_client=False)) as wire:
        for name in ("socket.io.js", "socket.io.min.js.map"):
            assert (await wire.get(wire.path + name)).status == 400


# --- upgrades to something else (docs/protocol/requests.md#statuses) ------------------------------


async def test_foreign_upgrade_is_ignored(native: Front) -> None:
    async with native.serve(Server()) as wire:
        http = await wire.http()
        for target, status in ((wire.target(), 200), ("/elsewhere", 404)):
            headers = {"Connection": "Upgrade", "Upgrade": "IRC/6.9"}
            assert (await http.request("GET", target, headers)).status == status


# --- connecting (docs/protocol/namespaces.md) -----------------------------------------------------


async def test_what_a_middleware_emits_comes_before_the_reply(front: Front, transport: str) -> None:
    io = Server()

    @io.use
    async def greet(socket: Socket) -> None:
        assert not socket.connected
        assert socket.rooms == set()
        socket.emit("early", b"\x01")
        socket.disconnect(close=True)  # nothing to disconnect yet
        io.emit("nobody")
        await asyncio.sleep(0)

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.send("40")
        assert await peer.receive() == '451-["early",{"_placeholder":true,"num":0}]'
        assert await peer.receive() == b"\x01"
        assert str(await peer.receive()).startswith('40{"sid":')
        assert the_socket(io).connected


async def test_middlewares_are_those_of_the_moment_of_the_connect(native: Front) -> None:
    io = Server()
    order: list[str] = []

    @io.use
    async def first(socket: Socket) -> None:
        io.use(lambda socket: order.append("late"))
        await asyncio.sleep(0)
        order.append("first")

    async with native.serve(io) as wire:
        await (await wire.open_websocket()).connect()
        assert order == ["first"]


async def test_connection_handlers_run_in_the_order_of_registration(native: Front) -> None:
    io = Server()
    order: list[str] = []
    io.on("connection", lambda socket: order.append("connection"))
    io.on("connect", lambda socket: order.append("connect"))
    async with native.serve(io) as wire:
        await (await wire.open_websocket()).connect()
        assert order == ["connection", "connect"]


async def test_session_may_be_closed_by_the_handler_that_gets_it(
    front: Front, transport: str
) -> None:
    engine, ends = echo_engine()
    engine.on("connection", lambda session: session.close())
    async with front.serve(engine) as wire:
        peer = await wire.open(transport)
        await peer.ended()
        await until(lambda: ends)
        assert ends == [("forced close", "")]


async def test_client_may_go_right_after_the_handshake(front: Front, transport: str) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open(transport)
        if isinstance(peer, PollingPeer):
            assert (await peer.post("1")).text == "ok"
        else:
            await peer.send("1")
        await until(lambda: ends)
        assert ends == [("transport close", "")]
        assert engine.clients_count == 0


# --- events (docs/protocol/server-sockets.md#incoming-events) -------------------------------------


async def test_catch_all_sees_events_that_a_middleware_refuses(native: Front) -> None:
    io = Server()
    seen: list[Any] = []

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on_any(lambda *args: seen.append(args))
        socket.on("error", lambda error: seen.append(str(error)))
        socket.on("x", lambda: pytest.fail("refused"))

        @socket.use
        def refuse(event: list[Any]) -> None:
            raise ValueError("no")

    async with native.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send('42["x"]')
        await until(lambda: len(seen) == 2)
        assert seen == [("x",), "no"]


async def test_null_is_an_argument_like_any_other(front: Front, transport: str) -> None:
    io, _ = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        the_socket(io).send(None)
        assert await peer.receive() == '42["message",null]'
        await peer.send('42["echo",null]')
        assert await peer.receive() == '42["echo",null]'


async def test_numbers_of_an_array_travel_as_their_bytes_and_a_view_as_its_window(
    front: Front, transport: str
) -> None:
    io = Server()
    numbers = array.array("i", [1, -2])
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        the_socket(io).emit("x", memoryview(numbers), memoryview(b"abcdef")[2:4])
        await peer.receive()
        assert await peer.receive() == numbers.tobytes()
        assert await peer.receive() == b"cd"


@pytest.mark.parametrize("text", ["中文 " * 1_000, "😀" * 5_000, "plain " * 100_000])
async def test_long_text_of_any_script_comes_back_again_and_again(
    front: Front, transport: str, text: str
) -> None:
    io, _ = echo_server(max_payload=1_000_000)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        for number in range(3):
            await peer.send(f'42["echo",{number},"{text}"]')
            assert await peer.receive() == f'42["echo",{number},"{text}"]'


async def test_one_page_may_have_two_connections_to_a_namespace(
    front: Front, transport: str
) -> None:
    io = Server()
    async with front.serve(io) as wire:
        one, two = await wire.open(transport), await wire.open(transport)
        await one.connect()
        await two.connect()
        io.emit("both")
        assert await one.receive() == await two.receive() == '42["both"]'


# --- the end (sections 10 and 15) -----------------------------------------------------------------


async def test_session_closed_from_below_ends_the_socket(front: Front, transport: str) -> None:
    io = Server()
    ends = ends_of(io)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        the_socket(io).conn.close()
        await peer.ended()
        await until(lambda: ends)
        assert ends == [("forced close", "")]


async def test_engine_that_closes_drops_what_nobody_fetches(native: Front) -> None:
    engine, ends = echo_engine(shutdown_timeout=UNIT)
    async with native.serve(engine) as wire:
        peer = await wire.open_polling()
        session: Session = the_session(engine)
        session.send("never fetched")
        await engine.close()
        assert ends == [("forced close", "")]
        reply = await within(wire.get(peer.target))
        assert reply.json()["code"] == 1
        assert session.backlog == 0


async def test_close_of_a_session_is_told_once(native: Front) -> None:
    engine, ends = echo_engine()
    async with native.serve(engine) as wire:
        await wire.open_websocket()
        session = the_session(engine)
        session.close()
        session.close()
        session.discard()
        await asyncio.sleep(UNIT)
        assert ends == [("forced close", "")]
