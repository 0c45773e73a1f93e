"""Sockets come into a namespace: middlewares, `connection` handlers, and what the client sees."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

import pytest

from sockwave import ConnectError, InMemoryAdapter, Server, Socket, TransportError
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import Failures, Log, settle, socket_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave import Adapter
    from sockwave.socketio.core.adapter import AdapterHost


@pytest.fixture
def io() -> Server:
    """A server with the namespaces `/` and `/admin`."""
    io = Server()
    io.of("/admin")
    return io


# --- connecting -----------------------------------------------------------------------------------


async def test_client_connects_and_both_sides_know_its_id(io: Server) -> None:
    async with LinkedClient(io) as client:
        assert list(io.sockets) == [client.sid]
        assert socket_of(io, client).connected


async def test_polling_client_connects_and_talks_both_ways(io: Server) -> None:
    io.event("add")(lambda socket, a, b: a + b)
    async with LinkedClient(io, transport="polling") as client:
        assert socket_of(io, client).conn.transport.name == "polling"
        assert await client.emit_with_ack("add", 1, 2) == 3
        io.emit("x", b"\x01")
        assert await client.received() == ("x", [b"\x01"])


async def test_namespaces_of_one_connection_each_keep_their_order(
    io: Server, transport: Literal["websocket", "polling"]
) -> None:
    handled: dict[str, list[int]] = {"/": [], "/admin": []}
    for name, numbers in handled.items():
        io.of(name).event("say")(lambda socket, number, numbers=numbers: numbers.append(number))
    async with LinkedClient(io, transport=transport) as main, main.of("/admin") as admin:
        for number in range(20):
            for client in (main, admin):
                client.emit("say", number)
            io.of("/admin").emit("n", number)
            io.emit("n", number)
        expected = [("n", [number]) for number in range(20)]
        assert [await main.received() for _ in range(20)] == expected
        assert [await admin.received() for _ in range(20)] == expected
        await settle()
    assert handled == {"/": [*range(20)], "/admin": [*range(20)]}


async def test_middlewares_run_in_order_and_then_the_connection_handlers(io: Server) -> None:
    order: list[str] = []

    @io.use
    def first(socket: Socket) -> None:
        order.append("first")

    @io.use()
    async def second(socket: Socket) -> None:
        await asyncio.sleep(0)
        order.append("second")

    io.use(lambda socket: order.append("third"))

    @io.on("connection")
    def connection(socket: Socket) -> None:
        order.append("connection")

    async with LinkedClient(io):
        assert order == ["first", "second", "third", "connection"]


async def test_socket_is_not_in_the_namespace_while_middlewares_run(io: Server) -> None:
    seen: list[object] = []

    @io.use
    async def look(socket: Socket) -> None:
        await asyncio.sleep(0)
        seen.append((socket.connected, dict(io.sockets), socket.rooms))

    async with LinkedClient(io) as client:
        assert seen == [(False, {}, set())]
        assert socket_of(io, client).rooms == {client.sid}


async def test_room_joined_in_a_middleware_is_kept(io: Server) -> None:
    io.use(lambda socket: socket.join("early"))
    async with LinkedClient(io) as client:
        assert socket_of(io, client).rooms == {client.sid, "early"}


async def test_broadcast_does_not_reach_a_socket_in_middlewares(io: Server) -> None:
    @io.use
    async def wait(socket: Socket) -> None:
        socket.join("early")
        io.emit("to all")
        io.to("early").emit("to room")
        await asyncio.sleep(0)

    async with LinkedClient(io) as client:
        await settle()
        assert client.received_nowait() == []


async def test_connect_reply_comes_before_what_handlers_emit(io: Server) -> None:
    io.on("connection", lambda socket: socket.emit("welcome"))
    async with LinkedClient(io) as client:
        assert client.sid is not None
        assert await client.received() == ("welcome", [])


async def test_each_connection_handler_is_called_also_by_its_other_name(io: Server) -> None:
    calls = Log()
    io.on("connection", calls)
    io.on("connect")(calls)
    io.event("connection")(calls)
    async with LinkedClient(io) as client:
        assert calls == [(socket_of(io, client),)] * 3


async def test_removed_connection_handler_is_not_called(io: Server) -> None:
    calls = Log()
    io.on("connection", calls)
    io.off("connection", calls)
    async with LinkedClient(io):
        assert calls == []


async def test_middleware_of_the_main_namespace_is_not_asked_for_others(io: Server) -> None:
    calls = Log()
    async with LinkedClient(io) as client:
        io.use(calls)
        async with client.of("/admin"):
            assert calls == []


async def test_auth_is_given_to_each_namespace(io: Server) -> None:
    async with (
        LinkedClient(io, auth={"token": "1"}) as client,
        client.of("/admin", auth={"token": "&=bb"}) as admin,
    ):
        assert socket_of(io, client).handshake.auth == {"token": "1"}
        assert socket_of(io, admin, "/admin").handshake.auth == {"token": "&=bb"}


# --- refusing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
async def test_connect_error_of_a_middleware_reaches_the_client(io: Server, is_async: bool) -> None:
    def refuse(socket: Socket) -> None:
        raise ConnectError("unauthorized", data={"retry": False})

    async def refuse_later(socket: Socket) -> None:
        await asyncio.sleep(0)
        refuse(socket)

    io.use(refuse_later if is_async else refuse)
    with pytest.raises(ConnectError) as caught:
        await LinkedClient(io).connect()
    assert (caught.value.message, caught.value.data) == ("unauthorized", {"retry": False})


@pytest.mark.parametrize("is_async", [False, True])
async def test_nothing_of_another_exception_reaches_the_client(
    io: Server, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    failures = Failures(io)

    def fail(socket: Socket) -> None:
        raise ValueError("secret")

    async def fail_later(socket: Socket) -> None:
        fail(socket)

    io.use(fail_later if is_async else fail)
    with pytest.raises(ConnectError, match="Internal server error") as caught:
        await LinkedClient(io).connect()
    assert caught.value.data is None
    assert failures.events == ["middleware"]
    assert "secret" in caplog.text


async def test_middlewares_after_a_refusal_do_not_run(io: Server) -> None:
    calls = Log()

    @io.use
    def refuse(socket: Socket) -> None:
        raise ConnectError

    io.use(calls)
    io.on("connection", calls)
    with pytest.raises(ConnectError, match="Not authorized"):
        await LinkedClient(io).connect()
    assert calls == []
    assert io.sockets == {}


async def test_rooms_are_empty_after_a_refusal(io: Server) -> None:
    rooms: list[set[str]] = []

    @io.use
    def join(socket: Socket) -> None:
        socket.join("early")
        rooms.append(io.adapter.rooms_of(socket.id) - {socket.id})

    @io.use
    async def refuse(socket: Socket) -> None:
        raise ConnectError

    with pytest.raises(ConnectError):
        await LinkedClient(io).connect()
    assert rooms == [{"early"}]
    assert getattr(io.adapter, "rooms", {}) == {}


async def test_refused_client_may_try_again_on_the_same_connection(io: Server) -> None:
    @io.use
    def ask(socket: Socket) -> None:
        if socket.handshake.auth.get("token") != "s3cret":
            raise ConnectError

    async with LinkedClient(io, "/admin") as connection:
        with pytest.raises(ConnectError):
            await connection.of("/").connect()
        async with connection.of("/", auth={"token": "s3cret"}) as client:
            assert client.sid in io.sockets


async def test_unknown_namespace_is_refused(io: Server) -> None:
    with pytest.raises(ConnectError, match="Invalid namespace"):
        await LinkedClient(io, "/nowhere").connect()


async def test_data_that_cannot_be_sent_is_left_out_of_a_refusal(
    io: Server, caplog: pytest.LogCaptureFixture
) -> None:
    @io.use
    def refuse(socket: Socket) -> None:
        raise ConnectError("no", data=object())

    with pytest.raises(ConnectError, match="no"):
        await LinkedClient(io).connect()
    assert "data of a ConnectError cannot be sent" in caplog.text


@pytest.mark.parametrize("is_async", [False, True])
async def test_middleware_may_close_the_connection(
    io: Server, transport: Any, is_async: bool
) -> None:
    connections = Log()
    io.on("connection", connections)

    @io.use
    def close(socket: Socket) -> Any:
        socket.join("room")
        socket.conn.close()
        return asyncio.sleep(0) if is_async else None

    client = LinkedClient(io, transport=transport)
    with pytest.raises(TransportError):
        await client.connect()
    await settle()
    assert not connections
    assert not io.sockets
    assert not await io.in_("room").fetch_sockets()


async def test_socket_whose_connection_ended_in_a_middleware_is_forgotten(io: Server) -> None:
    calls, go_on = Log(), asyncio.Event()

    @io.use
    async def wait(socket: Socket) -> None:
        socket.join("early")
        socket.on("disconnect", calls)
        await go_on.wait()

    io.on("connection", calls)
    client = LinkedClient(io)
    connecting = asyncio.create_task(client.connect())
    await settle()
    await client.close()
    go_on.set()
    await settle()
    assert calls == []
    assert io.sockets == {}
    assert getattr(io.adapter, "rooms", {}) == {}
    with pytest.raises(Exception, match="io client disconnect"):
        await connecting


# --- connection handlers that fail ----------------------------------------------------------------


def fail_with(error: Exception) -> Callable[[Socket], None]:
    def fail(socket: Socket) -> None:
        socket.emit("too early")
        socket.join("r")
        raise error

    return fail


async def test_connect_error_of_a_connection_handler_comes_instead_of_connect(io: Server) -> None:
    io.on("connection", fail_with(ConnectError("full", data=5)))
    async with LinkedClient(io, "/admin") as connection:
        client = connection.of("/")
        with pytest.raises(ConnectError, match="full"):
            await client.connect()
        assert client.received_nowait() == []
    assert (dict(io.sockets), getattr(io.adapter, "rooms", {})) == ({}, {})


async def test_failure_of_a_connection_handler_refuses_without_its_text(io: Server) -> None:
    failures = Failures(io)
    io.on("connection", fail_with(ValueError("secret")))
    with pytest.raises(ConnectError, match="Internal server error"):
        await LinkedClient(io).connect()
    assert failures.events == ["connection"]
    assert io.sockets == {}


async def test_async_connection_handler_that_fails_takes_the_connection_back(io: Server) -> None:
    reasons = Log()

    @io.on("connection")
    async def connection(socket: Socket) -> None:
        socket.on("disconnect", reasons)
        await settle()
        raise ConnectError("full")

    client = LinkedClient(io)
    await client.connect()
    assert await client.disconnected() == "connect error"
    assert str(client.refusal) == "full"
    assert reasons == [("server namespace disconnect", "")]
    assert io.sockets == {}


async def test_handler_that_disconnects_and_fails_refuses(io: Server) -> None:
    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.disconnect()
        raise ConnectError("full")

    with pytest.raises(ConnectError, match="full"):
        await LinkedClient(io).connect()


async def test_handler_that_only_disconnects_lets_in_and_out(io: Server) -> None:
    io.on("connection", lambda socket: socket.disconnect())
    client = LinkedClient(io)
    with pytest.raises(Exception, match="io server disconnect"):
        await client.connect()


# --- registration ---------------------------------------------------------------------------------


def test_namespace_is_made_once_and_gets_its_slash(io: Server) -> None:
    assert io.of("admin") is io.of("/admin")
    assert io.of("") is io.of("/")
    assert list(io.namespaces) == ["/", "/admin"]


@pytest.mark.parametrize(("name", "error"), [(5, TypeError), ("/a,b", ValueError)])
def test_name_that_no_client_could_ask_for_is_refused(
    io: Server, name: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        io.of(name)


@pytest.mark.parametrize("event", ["disconnect", "disconnecting", "connect_error"])
def test_event_of_sockets_is_not_one_of_the_namespace(io: Server, event: str) -> None:
    with pytest.raises(ValueError, match="use @event"):
        io.on(event, print)


def test_reserved_event_cannot_be_handled_for_all_sockets(io: Server) -> None:
    with pytest.raises(ValueError, match='"newListener" is a reserved event name'):
        io.event("newListener")(print)


def test_handler_without_a_name_needs_one(io: Server) -> None:
    class Nameless:
        def __call__(self, socket: Socket) -> None: ...

    with pytest.raises(TypeError, match="has no name"):
        io.event(Nameless())


@pytest.mark.parametrize("register", ["use", "on_error"])
def test_what_cannot_be_called_is_refused_at_once(io: Server, register: str) -> None:
    with pytest.raises(TypeError, match="must be callable"):
        getattr(io, register)("handler")


def test_repr_names_the_namespace(io: Server) -> None:
    assert repr(io.of("/admin")) == "<Namespace /admin: 0 sockets>"


# --- handlers: once, listeners, off ---------------------------------------------------------------


async def test_once_handles_one_connection(io: Server) -> None:
    once, always = Log(), Log()

    @io.once("connection")
    def connection(socket: Socket) -> None:
        once(socket)

    io.on("connect", always)
    assert io.listeners("connection") == io.listeners("connect") == [connection, always]
    async with LinkedClient(io), LinkedClient(io):
        assert (len(once), len(always)) == (1, 2)
        assert io.listeners("connection") == [always]


async def test_once_handles_one_event_of_another_server(io: Server) -> None:
    calls = Log()
    io.of("/admin").once("hello", calls)
    for _ in range(2):
        await io.of("/admin").server_event_received("hello", 1)
    assert calls == [(1,)]
    with pytest.raises(ValueError, match="no event 'disconnect'"):
        io.once("disconnect", calls)


async def test_listeners_are_those_of_on_and_of_event(io: Server) -> None:
    def handler(socket: Socket) -> None: ...

    io.event("x")(handler)
    io.event("x", order="socket")(handler)
    io.on("x", print)
    assert io.listeners("x") == [print, handler, handler]
    io.off("x", handler)
    assert io.listeners("x") == [print, handler]
    assert io.listeners("y") == []


async def test_all_handlers_can_be_removed_at_once(io: Server) -> None:
    calls = Log()
    io.on("connection", calls)
    io.event("x")(calls)
    io.on("y", calls)
    io.off()
    assert not io.listeners("connection") + io.listeners("x") + io.listeners("y")
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on("x", calls)
        socket.once("disconnect", calls)
        assert socket.listeners("x") == socket.listeners("disconnect") == [calls]
        socket.off()
        assert socket.listeners("x") == socket.listeners("disconnect") == []
        client.emit("x")
        await settle()
    assert calls == []


# --- adapters -------------------------------------------------------------------------------------


class OwnAdapter(InMemoryAdapter):
    """An adapter of the application."""

    def __init__(self, host: AdapterHost) -> None:
        super().__init__(host)
        self.name = host.name


def make_adapter(host: AdapterHost) -> OwnAdapter:
    return OwnAdapter(host)


@pytest.mark.parametrize("make", [OwnAdapter, make_adapter])
async def test_adapter_is_made_for_each_namespace(make: Callable[[AdapterHost], Adapter]) -> None:
    io = Server(adapter=make)
    for name in ("/", "/admin"):
        adapter = io.of(name).adapter
        assert isinstance(adapter, OwnAdapter)
        assert adapter.name == name
    async with LinkedClient(io) as client:
        io.to(socket_of(io, client).id).emit("x")
        assert await client.received() == ("x", [])


def test_adapter_must_offer_recovery_where_that_is_on() -> None:
    with pytest.raises(
        ValueError, match="adapter: InMemoryAdapter cannot do connection state recovery"
    ):
        Server(adapter=InMemoryAdapter, connection_state_recovery=True)


async def test_rooms_of_sockets_are_told_by_the_adapter(io: Server) -> None:
    joined, deleted = Log(), Log()
    io.adapter.on("join_room", joined)
    io.adapter.on("delete_room", deleted)
    async with LinkedClient(io) as client:
        socket_of(io, client).join("a")
        assert joined == [("a", client.sid)]
    await settle()
    assert deleted == [("a",)]
