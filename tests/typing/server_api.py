"""Types of the public server API, as users meet them; mypy and pyright are the test.

Lines with `type: ignore` must be errors: an ignore that is not needed is one itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, assert_type

from sockwave import (
    AckTimeout,
    BroadcastAnswers,
    BroadcastOperator,
    Cluster,
    ClusterMember,
    ClusterTimeout,
    ConnectError,
    Cookie,
    Cors,
    Deflate,
    DisconnectReason,
    EventError,
    HandlerFailure,
    Handlers,
    Handshake,
    HttpCompression,
    InMemoryAdapter,
    Limits,
    Listener,
    Namespace,
    ParentNamespace,
    RateLimits,
    Recovery,
    RemoteSocket,
    Request,
    Router,
    Server,
    Socket,
    SocketId,
    SocketOperator,
    failure_of,
)
from sockwave.engine import Engine, Response, Session
from sockwave.testing import LinkedClient

io = Server()
room = io.to("r")


def options() -> None:
    Server(ping_interval=5, ping_timeout=2.5, max_payload=10, transports=["websocket"])
    Server(cors="*")
    Server(cors=["https://a.com", re.compile("https://.*")])
    Server(cors=Cors(origin=True, credentials=True), cookie=Cookie(name="sid"), limits=Limits())
    Server(rate_limits=RateLimits(session_packets=5), trusted_proxies=["10.0.0.0/8", "unix"])
    Server(cors={"origin": "*"}, cookie=True, per_message_deflate=Deflate(), http_compression=False)
    Server(http_compression=HttpCompression(threshold=5), per_message_deflate={"level": 1})
    Server(allow_request=lambda request: request.path == "/x", generate_id=lambda request: "id")

    async def allow(request: Request) -> bool:
        return "token" in request.query

    Server(allow_request=allow)
    Server(connection_state_recovery=True, cleanup_empty_child_namespaces=True)
    Server(connection_state_recovery=Recovery(max_disconnection_duration=5, max_packets=10))
    Recovery(max_disconnection_duration="5")  # type: ignore[arg-type]
    Server(ping_intervall=5)  # type: ignore[call-arg]
    Server(ping_interval="5")  # type: ignore[arg-type]
    Server(transports=["carrier pigeon"])  # type: ignore[list-item]


# --- a decorator keeps the type of what it decorates ----------------------------------------------


@io.use
async def authenticate(socket: Socket) -> None:
    raise ConnectError("no", data={"retry": False})


@io.use()
def count(socket: Socket) -> int:
    return 1


@io.on("connection")
async def connection(socket: Socket) -> None:
    @socket.on("echo")
    def echo(text: str) -> str:
        return text

    @socket.on("load", order="socket", thread=True)
    def load(number: int) -> str:
        return str(number)

    assert_type(load(1), str)

    @socket.once("first")
    def first(number: int) -> tuple[int, int]:
        return number, number

    @socket.on_any
    def every(event: str, *args: object) -> None: ...

    @socket.use
    async def check(event: list[Any]) -> None: ...

    await check(["x"])
    assert_type(echo("x"), str)
    assert_type(socket.on("echo", echo)("x"), str)
    assert_type(first(1), tuple[int, int])
    assert_type(socket.once("first", first)(1), tuple[int, int])
    every("x", 1)
    every()  # type: ignore[call-arg]


@io.once("connection")
def first_connection(socket: Socket) -> int:
    return len(io.listeners("connection"))


@io.engine.use
async def ask_first(request: Request) -> Response | None:
    return Response(status=401) if request.state.get("user") is None else None


def joined(room: str, id_: SocketId) -> None:
    io.off("connection")
    io.off()


assert_type(io.adapter.on("join_room", joined)("r", SocketId("x")), None)
Server(adapter=InMemoryAdapter)
Server(adapter=lambda host: InMemoryAdapter(host))
Server(adapter=5)  # type: ignore[arg-type]


@io.event
async def rename(socket: Socket, name: str) -> bool:
    return True


@io.event("chat message")
def message(socket: Socket, text: str) -> int:
    return len(text)


@io.on_error
def failed(error: Exception, failure: HandlerFailure) -> None:
    assert_type(failure.socket, Socket)
    assert_type(failure.event, str)


async def decorated(socket: Socket) -> None:
    assert_type(await authenticate(socket), None)
    assert_type(count(socket), int)
    assert_type(await rename(socket, "x"), bool)
    assert_type(message(socket, "x"), int)
    await rename(socket)  # type: ignore[call-arg]
    io.on("connection", 5)  # type: ignore[call-overload]


# --- namespaces and operators ---------------------------------------------------------------------


async def operators(socket: Socket) -> None:
    assert_type(io.of("/admin"), Namespace)
    assert_type(io.sockets["an id"], Socket)
    assert_type(io.to("a", ["b"]), BroadcastOperator[Socket | RemoteSocket])
    assert_type(io.in_("a").except_("b").volatile, BroadcastOperator[Socket | RemoteSocket])
    assert_type(io.in_("a").except_("b").local, BroadcastOperator[Socket])
    assert_type(io.of("/admin").local.to("a").volatile.local, BroadcastOperator[Socket])
    assert_type(socket.local, BroadcastOperator[Socket])
    assert_type(socket.to("a").local, BroadcastOperator[Socket])
    assert_type(
        io.of("/admin").compress(False).timeout(5), BroadcastOperator[Socket | RemoteSocket]
    )
    assert_type(socket.to("a"), BroadcastOperator[Socket | RemoteSocket])
    assert_type(socket.broadcast, BroadcastOperator[Socket | RemoteSocket])
    assert_type(socket.volatile, SocketOperator)
    assert_type(socket.timeout(5).compress(False), SocketOperator)
    assert_type(socket.timeout(5).to("a"), BroadcastOperator[Socket | RemoteSocket])
    assert_type(await room.fetch_sockets(), list[Socket | RemoteSocket])
    assert_type(await io.fetch_sockets(), list[Socket | RemoteSocket])
    assert_type(await io.local.fetch_sockets(), list[Socket])
    assert_type(await socket.local.fetch_sockets(), list[Socket])
    assert_type(await room.count(), int)
    assert_type(await io.local.count(), int)
    room.sockets_join("a", ["b"])
    room.disconnect_sockets(close=True)
    room.disconnect_sockets(True)  # type: ignore[call-arg]
    io.to(5)  # type: ignore[arg-type]
    socket.join(5)  # type: ignore[arg-type]


async def emitting(socket: Socket) -> None:
    io.emit("x", 1, b"\x01", None)
    assert_type(await socket.emit_with_ack("x", 1, timeout=5.0), Any)
    assert_type(await socket.timeout(5).emit_with_ack("x"), Any)
    assert_type(await room.emit_with_ack("x", timeout=5.0), BroadcastAnswers)
    answers: list[Any] = await io.emit_with_ack("x")
    assert_type((await io.emit_with_ack("x")).by_socket, dict[SocketId, Any])
    await socket.drain()
    socket.emit("x", ack=lambda *args: None)
    socket.emit("x", ack=5)  # type: ignore[call-overload]
    socket.emit(5)  # type: ignore[call-overload]
    await socket.emit_with_ack("x", timeout="5")  # type: ignore[call-overload]
    try:
        await io.emit_with_ack("x")
    except AckTimeout as error:
        assert_type(error.responses, list[Any])
        assert_type(error.by_socket[socket.id], Any)
        assert_type(error.missing, tuple[str, ...])
        assert_type(error.missing_servers, tuple[str, ...])
    print(answers)


def sockets(socket: Socket) -> None:
    assert_type(socket.id, SocketId)
    assert_type(socket.rooms, set[str])
    assert_type(socket.data, dict[str, Any])
    assert_type(socket.handshake, Handshake)
    assert_type(socket.handshake.auth, dict[str, Any])
    assert_type(socket.handshake.query, Mapping[str, str])
    assert_type(socket.handshake.headers["host"], str)
    assert_type(socket.conn, Session)
    assert_type(socket.conn.request, Request)
    socket.disconnect(True)  # type: ignore[call-arg]

    @socket.on("disconnect")
    def gone(reason: DisconnectReason, description: str) -> None:
        text: str = reason.value  # to pyright one of the texts, to mypy any
        socket.broadcast.emit("gone", text, description)


# --- clusters -------------------------------------------------------------------------------------


async def clusters() -> None:
    for socket in await io.fetch_sockets():
        assert_type(socket.id, SocketId)
        assert_type(socket.handshake, Handshake)
        assert_type(socket.rooms, set[str])
        assert_type(socket.data, dict[str, Any])
        assert_type(await socket.emit_with_ack("x", timeout=1), Any)
        assert_type(await socket.timeout(1).emit_with_ack("x"), Any)
        socket.emit("x", 1)
        socket.join("a", ["b"])
        socket.leave("a")
        socket.disconnect(close=True)
        socket.conn  # type: ignore[union-attr]
        if isinstance(socket, RemoteSocket):
            assert_type(socket.node, str)
            socket.emit("x", ack=print)  # type: ignore[call-overload]
        else:
            assert_type(socket, Socket)
    assert_type(await io.server_count(), int)
    assert_type(io.cluster, Cluster)
    assert_type(io.cluster.nodes, tuple[ClusterMember, ...])
    assert_type(io.cluster.is_healthy, bool)
    try:
        await io.count()
    except ClusterTimeout as error:
        assert_type(error.missing_servers, tuple[str, ...])


@io.on("node_joined")
async def joined_cluster(node: ClusterMember) -> None:
    assert_type(node.lateness, float)


# --- ports and applications -----------------------------------------------------------------------


async def serving() -> None:
    async with io.listen("127.0.0.1", 0) as listener:
        assert_type(listener, Listener)
        assert_type(listener.port, int)
        assert_type(listener.url, str)
    io.run(host="127.0.0.1", port=3000, app=io.wrap(io))
    await io.close()


# --- namespaces that are made when they are asked for ---------------------------------------------


async def allow(name: str, auth: dict[str, Any]) -> bool:
    return "token" in auth


async def dynamic() -> None:
    assert_type(io.of("/x"), Namespace)
    assert_type(io.of(re.compile("/x")), ParentNamespace)
    assert_type(io.of(allow), ParentNamespace)
    assert_type(io.of(lambda name, auth: True).children, list[Namespace])
    assert_type(io.of("/x").parent, ParentNamespace | None)
    io.of(5)  # type: ignore[call-overload]
    io.of(lambda name: True)  # type: ignore[arg-type, misc]
    io.server_side_emit("x", 1)
    assert_type(await io.server_side_emit_with_ack("x", timeout=1), list[Any])


# --- routers, classes, errors as values ---------------------------------------------------------

orders = Router("/orders", prefix="orders:", order="socket")


@orders.event
async def place(socket: Socket, number: int) -> int:
    if not number:
        raise EventError("none", data={"number": number})
    return number


@orders.event("cancel", order=None, thread=True)
def cancel(socket: Socket) -> bool:
    return True


@orders.exception_handler(LookupError)
def missing(error: LookupError, socket: Socket) -> str:
    return socket.params["x"]


@io.exception_handler(PermissionError)
async def forbidden(error: PermissionError) -> dict[str, str]:
    return {"error": "forbidden"}


class Cart(Handlers, namespace="/cart", order="socket", per_socket=True):
    @Handlers.event("put in", thread=True)
    def put(self, socket: Socket, number: int) -> int:
        return number


async def included() -> None:
    assert_type(await place(Socket.__new__(Socket), 1), int)
    assert_type(await forbidden(PermissionError()), dict[str, str])
    assert_type(Cart().put(Socket.__new__(Socket), 1), int)
    assert_type(EventError("x").value, dict[str, Any])
    assert_type(failure_of({"error": "x"}), EventError | None)
    orders.include(Cart, prefix="x:")
    io.include(orders)
    io.include(Cart())
    io.of("/x").include(Router(), prefix="x:")
    io.include(place)  # type: ignore[arg-type]
    io.exception_handler(int)  # type: ignore[arg-type]
    orders.event(5)  # type: ignore[call-overload]
    Router(order="room")  # type: ignore[arg-type]
    orders.event("x", validate="strict")  # type: ignore[call-overload]

    def of_company(socket: Socket, *, org_id: int) -> int:
        return org_id

    lax = orders.event("x", validate="lax")(of_company)
    assert_type(lax(Socket.__new__(Socket), org_id=1), int)
    Handlers.event(validate="strict")  # type: ignore[arg-type]
    EventError()  # type: ignore[call-arg]


# --- Engine.IO alone ------------------------------------------------------------------------------

engine = Engine(path="/engine.io", ping_interval=5)


@engine.on("connection")
def session_opened(session: Session) -> None:
    @session.on("message")
    def received(data: str | bytes) -> None:
        session.send(data)

    session.send(5)  # type: ignore[arg-type]


# --- testing --------------------------------------------------------------------------------------


async def linked() -> None:
    async with LinkedClient(io, "/admin", auth={"token": "x"}, transport="polling") as client:
        assert_type(client, LinkedClient)
        assert_type(client.sid, SocketId | None)
        assert_type(await client.received(), tuple[str, list[Any]])
        assert_type(await client.emit_with_ack("x"), Any)
        assert_type(await client.disconnected(), str)
        client.received()  # type: ignore[unused-coroutine]
