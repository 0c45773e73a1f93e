"""Namespaces, rooms and broadcasts with several JavaScript clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sockwave import AckTimeout, ConnectError, Server, Socket

if TYPE_CHECKING:
    from interop.node import JsClient
    from interop.stage import Stage

pytestmark = pytest.mark.interop


async def three(stage: Stage, io: Server) -> tuple[list[JsClient], list[Socket]]:
    """Three clients, and their sockets on this side."""
    await stage.serve(io)
    clients = [await stage.connect() for _ in range(3)]
    sockets = [io.sockets[await client.evaluate("socket.id")] for client in clients]
    return clients, sockets


async def events_until(client: JsClient, last: str) -> list[str]:
    """Names of the events that a client gets up to one of them."""
    await client.received(last)
    return [name.removeprefix("on ") for name in client.log if name.startswith("on ")]


# --- namespaces -----------------------------------------------------------------------------------


async def test_namespaces_share_one_connection(stage: Stage) -> None:
    io = Server()
    for name in ("/", "/chat", "/news"):
        io.of(name).event("where")(lambda socket: (socket.namespace.name, socket.conn.id))
    await stage.serve(io)
    main = await stage.connect()
    chat = await stage.client(on=main, namespace="/chat").connected()
    news = await stage.client(on=main, namespace="/news").connected()
    answers = [await client.ask("where") for client in (main, chat, news)]
    assert [name for name, _ in answers] == ["/", "/chat", "/news"]
    assert len({session for _, session in answers}) == 1
    ids = [await client.evaluate("socket.id") for client in (main, chat, news)]
    assert len(set(ids)) == 3


async def test_each_namespace_has_its_own_auth_middleware_and_events(stage: Stage) -> None:
    io = Server()
    admin = io.of("/admin")

    @admin.use
    async def only_admins(socket: Socket) -> None:
        await asyncio.sleep(0)
        if socket.handshake.auth != {"user": "root"}:
            raise ConnectError("admins only", data=["root"])

    await stage.serve(io)
    main = await stage.connect(auth={"user": "guest"})
    refused = stage.client(on=main, namespace="/admin", auth={"user": "guest"})
    (error,) = await refused.next("connect_error")
    assert (error["message"], error["data"]) == ("admins only", ["root"])
    await refused.run("socket.auth = {user: 'root'}; socket.connect()")
    await refused.connected()
    admin.emit("secret", b"\x01")
    io.emit("public")
    assert await refused.received("secret") == [b"\x01"]
    assert await events_until(main, "public") == ["public"]


async def test_unknown_namespace_is_refused_and_the_connection_lives_on(stage: Stage) -> None:
    io = Server()
    io.event("ping?")(lambda socket: "pong")
    await stage.serve(io)
    main = await stage.connect()
    for name in ("/nowhere", "/__proto__"):
        (error,) = await stage.client(on=main, namespace=name).next("connect_error")
        assert error["message"] == "Invalid namespace"
    assert await main.ask("ping?") == ["pong"]


@pytest.mark.parametrize("name", ["/ünï 😀", '/with "quotes"', "/a/b/c", "/1-2[3"])
async def test_namespace_may_have_any_name(stage: Stage, name: str) -> None:
    io = Server()
    io.of(name).event("where")(lambda socket, data: (socket.namespace.name, data))
    await stage.serve(io)
    client = await stage.connect(namespace=name)
    assert await client.ask("where", b"\x02") == [name, b"\x02"]


async def test_leaving_one_namespace_keeps_the_others(stage: Stage) -> None:
    io = Server()
    left: list[tuple[str, str]] = []
    for name in ("/", "/chat"):
        io.of(name).event("disconnect")(
            lambda socket, reason: left.append((socket.namespace.name, reason))
        )
        io.of(name).event("left")(lambda socket: left)
    await stage.serve(io)
    main = await stage.connect()
    chat = await stage.client(on=main, namespace="/chat").connected()
    await chat.run("socket.disconnect()")
    assert await chat.next("disconnect") == ["io client disconnect"]
    assert await main.ask("left") == [[["/chat", "client namespace disconnect"]]]
    await chat.run("socket.connect()")
    await chat.connected()
    io.of("/chat").disconnect_sockets()
    assert await chat.next("disconnect") == ["io server disconnect"]
    assert await main.evaluate("socket.connected")


async def test_failing_connection_handler_refuses_the_client(stage: Stage) -> None:
    io = Server()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.emit("never seen")
        raise ConnectError("full", data={"max": 0})

    await stage.serve(io)
    client = stage.client()
    (error,) = await client.next("connect_error")
    assert (error["message"], error["data"]) == ("full", {"max": 0})
    assert client.log == ["connect_error"]


# --- rooms ----------------------------------------------------------------------------------------


async def test_room_reaches_its_members_once(stage: Stage) -> None:
    io = Server()
    clients, (a, b, _) = await three(stage, io)
    a.join("red", "blue")
    b.join("red")
    io.to("red", "blue").emit("colour", "x", b"\x03")
    b.leave("red")
    io.to("red").emit("red")
    io.emit("end")
    got = [await events_until(client, "end") for client in clients]
    assert got == [["colour", "red", "end"], ["colour", "end"], ["end"]]
    assert await clients[1].received("colour") == ["x", b"\x03"]


async def test_broadcast_leaves_out_the_sender(stage: Stage) -> None:
    io = Server()

    @io.event
    def say(socket: Socket, text: str) -> None:
        socket.broadcast.emit("said", text)
        io.emit("end")

    clients, _ = await three(stage, io)
    await clients[0].emit("say", "grüezi 😀")
    got = [await events_until(client, "end") for client in clients]
    assert got == [["end"], ["said", "end"], ["said", "end"]]
    assert await clients[1].received("said") == ["grüezi 😀"]


async def test_exceptions_of_a_broadcast_are_left_out(stage: Stage) -> None:
    io = Server()
    clients, (a, b, c) = await three(stage, io)
    for socket in (a, b, c):
        socket.join("all")
    c.join("quiet")
    io.to("all").except_("quiet").emit("loud")
    a.to("all").except_(b.id).emit("only c")
    io.emit("end")
    got = [await events_until(client, "end") for client in clients]
    assert got == [["loud", "end"], ["loud", "end"], ["only c", "end"]]


async def test_socket_id_is_a_room(stage: Stage) -> None:
    io = Server()
    clients, (a, b, _) = await three(stage, io)
    io.to(b.id).emit("for b")
    a.to(b.id).emit("from a")
    io.emit("end")
    got = [await events_until(client, "end") for client in clients]
    assert got == [["end"], ["for b", "from a", "end"], ["end"]]


async def test_broadcast_collects_the_answers_of_all_clients(stage: Stage) -> None:
    io = Server()
    clients, sockets = await three(stage, io)
    for n, client in enumerate(clients):
        client.answers["vote"] = (n, b"\x04") if n else ()
    votes = await io.emit_with_ack("vote", "lunch", b"\x05", timeout=5)
    assert sorted(votes, key=str) == [(1, b"\x04"), (2, b"\x04"), None]
    assert await sockets[0].broadcast.emit_with_ack("vote", timeout=5) in (
        [(1, b"\x04"), (2, b"\x04")],
        [(2, b"\x04"), (1, b"\x04")],
    )


async def test_broadcast_tells_who_did_not_answer(stage: Stage) -> None:
    io = Server()
    clients, _ = await three(stage, io)
    clients[0].answers["vote"] = ("yes",)
    clients[2].answers["vote"] = ("no",)
    with pytest.raises(AckTimeout) as missing:
        await io.timeout(0.3).emit_with_ack("vote")
    assert sorted(missing.value.responses) == ["no", "yes"]


async def test_volatile_event_arrives_at_an_idle_client(stage: Stage) -> None:
    io = Server()
    clients, (a, *_) = await three(stage, io)
    # A polling client is idle when its next poll waits.
    while not all(socket.conn.is_writable for socket in io.sockets.values()):
        await asyncio.sleep(0.001)
    a.volatile.emit("own", 1)
    assert await clients[0].received("own") == [1]
    while not all(socket.conn.is_writable for socket in io.sockets.values()):
        await asyncio.sleep(0.001)
    io.volatile.emit("all", b"\x06")
    for client in clients:
        assert await client.received("all") == [b"\x06"]


async def test_volatile_event_is_dropped_behind_another(stage: Stage) -> None:
    io = Server()
    clients, (a, *_) = await three(stage, io)
    a.emit("first")
    a.volatile.emit("dropped")
    a.emit("end")
    assert await events_until(clients[0], "end") == ["first", "end"]


async def test_volatile_event_of_a_client_arrives(stage: Stage) -> None:
    io = Server()
    seen: asyncio.Queue[int] = asyncio.Queue()
    io.event("tick")(lambda socket, n: seen.put_nowait(n))
    await stage.serve(io)
    client = await stage.connect()
    for n in range(20):
        await client.run("socket.volatile.emit('tick', args[0])", n)
        if not seen.empty():
            break
        await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        await seen.get()


async def test_sockets_can_be_moved_and_disconnected_by_room(stage: Stage) -> None:
    io = Server()
    clients, (a, b, _) = await three(stage, io)
    io.in_(a.id).sockets_join("red")
    io.in_(b.id).sockets_join("red")
    io.in_(b.id).sockets_leave("red")
    assert {socket.id for socket in await io.in_("red").fetch_sockets()} == {a.id}
    io.in_("red").disconnect_sockets(close=True)
    assert await clients[0].next("disconnect") == ["io server disconnect"]
    io.emit("end")
    assert await events_until(clients[1], "end") == ["end"]
