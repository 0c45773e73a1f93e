"""Old JavaScript clients, of Engine.IO 3 and Socket.IO 1 and 2, against our server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from interop.node import NodeDriver
from interop.stage import Stage
from sockwave import ConnectError, Engine, Server, Socket
from tests.support.peers import INTEROP, node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interop.node import JsClient

pytestmark = pytest.mark.interop

SIO = pytest.mark.parametrize("name", ["sio1", "sio2"])
EIO = pytest.mark.parametrize("options", [{}, {"forceBase64": True}], ids=["plain", "base64"])

ASCII: list[Any] = ["hello", "", 'a\nb \\n \\ " <', 0, 1.5, None, True, {"a": [1, {"b": None}]}]
UNICODE: list[Any] = ["Grüße, 世界", "😀 astral 𝒳 \u2028 \ufffd", {"ключ": "汉字"}]
BINARY: list[Any] = [b"\x00\x01\xfe\xff", {"list": [b"", b"three"]}, "text", b"four" * 5_000]


def echo_server(**options: Any) -> Server:
    io = Server(allow_eio3=True, **options)

    @io.event
    def echo(socket: Socket, *args: Any) -> Any:
        socket.emit("echoed", *args)
        return args

    return io


def echo_engine() -> Engine:
    engine = Engine(allow_eio3=True)
    engine.on("connection", lambda session: session.on("message", lambda data: session.send(data)))
    return engine


@pytest.fixture(scope="module")
def page_driver(runner: asyncio.Runner) -> Iterator[NodeDriver]:
    """A Node process with a little of a browser, for polling by scripts."""
    driver = NodeDriver(node())
    runner.run(driver.__aenter__())
    yield driver
    runner.run(driver.__aexit__(None, None, None))


@pytest.fixture(params=["native", "asgi"])
def page(
    request: pytest.FixtureRequest, page_driver: NodeDriver, runner: asyncio.Runner
) -> Iterator[Stage]:
    """A server, and clients that poll by scripts."""
    stage = Stage(request.param, "polling", page_driver)
    yield stage
    runner.run(stage.aclose())


async def by_script(stage: Stage, **options: Any) -> JsClient:
    """Open a client that polls by scripts."""
    await stage.driver.request("load", path=str(INTEROP / "dom.cjs"))
    return stage.client(forceJSONP=True, **options)


# --- Socket.IO ------------------------------------------------------------------------------------


@SIO
async def test_bytes_that_are_framed_once_arrive_at_each_of_their_places(
    stage: Stage, name: str
) -> None:
    io = echo_server()
    await stage.serve(io)
    client = await stage.connect(name=name)
    shared = b"shared"
    values: list[Any] = [shared, {"a": [shared, b"other"]}, shared]
    io.emit("news", *values)
    assert await client.received("news") == values


@SIO
async def test_client_connects_and_both_sides_know_its_id(stage: Stage, name: str) -> None:
    io = Server(allow_eio3=True)
    await stage.serve(io)
    client = await stage.connect(name=name)
    id_ = await client.evaluate("socket.id")
    wanted = "polling" if stage.transport == "polling" else "websocket"
    assert await client.evaluate("socket.io.engine.transport.name") == wanted
    assert io.sockets[id_].conn.transport.name == wanted
    assert io.sockets[id_].conn.protocol == 3
    assert id_ == await client.evaluate("socket.io.engine.id")


@SIO
async def test_client_is_refused_where_old_ones_are_not_allowed(stage: Stage, name: str) -> None:
    io = Server()
    await stage.serve(io)
    (error,) = await stage.client(name=name).next("connect_error")
    assert error["message"] in ("xhr poll error", "websocket error")
    assert not io.sockets


@SIO
@pytest.mark.parametrize("values", [ASCII, BINARY], ids=["text", "binary"])
async def test_values_come_back(stage: Stage, name: str, values: list[Any]) -> None:
    await stage.serve(echo_server())
    client = await stage.connect(name=name)
    assert await client.ask("echo", *values) == values
    assert await client.received("echoed") == values


async def test_text_beyond_ascii_comes_back(stage: Stage) -> None:
    await stage.serve(echo_server())
    client = await stage.connect(name="sio2")
    assert await client.ask("echo", *UNICODE, b"\xff") == [*UNICODE, b"\xff"]
    assert await client.received("echoed") == [*UNICODE, b"\xff"]


async def test_text_beyond_ascii_of_the_oldest_client(stage: Stage) -> None:
    io = echo_server()
    seen: list[str] = []
    io.event("take")(lambda socket, text: seen.append(text))
    await stage.serve(io)
    client = await stage.connect(name="sio1")
    await client.emit("take", "ü")
    assert await client.ask("echo", *UNICODE) == UNICODE
    # On polling it encodes twice, and decodes twice what comes back.
    assert seen == ["Ã¼" if stage.transport == "polling" else "ü"]


@SIO
async def test_base64_client_gets_its_values_back(stage: Stage, name: str) -> None:
    await stage.serve(echo_server())
    client = await stage.connect(name=name, forceBase64=True)
    assert await client.ask("echo", *ASCII, *BINARY) == [*ASCII, *BINARY]


@SIO
async def test_server_asks_and_gets_an_answer(stage: Stage, name: str) -> None:
    io = Server(allow_eio3=True)
    await stage.serve(io)
    client = await stage.connect(name=name)
    client.answers["question"] = (42, b"\x01")
    (socket,) = io.sockets.values()
    answer = await socket.emit_with_ack("question", b"?", timeout=5.0)
    assert answer == (42, b"\x01")
    assert await client.received("question") == [b"?"]


@SIO
async def test_two_hundred_events_of_each_side_arrive_in_order(stage: Stage, name: str) -> None:
    io = Server(allow_eio3=True)
    seen: list[int] = []
    io.event("n")(lambda socket, n: seen.append(n))
    done = asyncio.Event()
    io.event("done")(lambda socket: done.set())

    @io.on("connection")
    def connection(socket: Socket) -> None:
        for n in range(200):
            socket.emit("n", n)

    await stage.serve(io)
    client = stage.client(name=name)
    await client.run("for (let n = 0; n < 200; n++) socket.emit('n', n); socket.emit('done')")
    await asyncio.wait_for(done.wait(), 10)
    assert seen == list(range(200))
    assert [await client.received("n") for _ in range(200)] == [[n] for n in range(200)]


@SIO
async def test_namespace_with_query(stage: Stage, name: str) -> None:
    io = Server(allow_eio3=True)
    joined: asyncio.Queue[Socket] = asyncio.Queue()
    io.of("/admin").on("connection", joined.put_nowait)

    @io.of("/admin").event
    def who(socket: Socket) -> Any:
        return socket.id, socket.namespace.name

    await stage.serve(io)
    client = await stage.connect(name=name, namespace="/admin", query={"a": "1 & 2", "t": "x,y"})
    socket = await asyncio.wait_for(joined.get(), 5)
    assert socket.handshake.auth == {"a": "1 & 2", "t": "x,y"}
    assert await client.ask("who") == [socket.id, "/admin"]
    assert socket.id == f"/admin#{await client.evaluate('socket.io.engine.id')}"
    if name == "sio2":
        assert socket.id == await client.evaluate("socket.id")


@SIO
async def test_refusals_are_told(stage: Stage, name: str) -> None:
    io = Server(allow_eio3=True)

    def refuse(socket: Socket) -> None:
        data = {"code": 7} if socket.handshake.auth else None
        raise ConnectError("not for you", data=data)

    io.of("/no").use(refuse)
    await stage.serve(io)
    client = await stage.connect(name=name)
    errors = []
    for number, (namespace, query) in enumerate([("/no", None), ("/no", "a=1"), ("/none", None)]):
        options = {} if query is None else {"query": query}
        other = stage.client(name=name, namespace=namespace, **options)
        errors.append(await other.next("connect_error"))
        assert len(errors) == number + 1
    assert errors == [["not for you"], [{"code": 7}], [{"message": "Invalid namespace"}]]
    assert await client.evaluate("socket.connected")


@SIO
async def test_client_disconnects(stage: Stage, name: str) -> None:
    io = Server(allow_eio3=True)
    reasons: asyncio.Queue[str] = asyncio.Queue()
    io.event("disconnect")(lambda socket, reason: reasons.put_nowait(reason))
    await stage.serve(io)
    client = await stage.connect(name=name)
    await client.run("socket.disconnect()")
    reason = await asyncio.wait_for(reasons.get(), 5)
    assert reason in ("client namespace disconnect", "transport close")


@SIO
async def test_server_disconnects(stage: Stage, name: str) -> None:
    io = Server(allow_eio3=True)
    await stage.serve(io)
    client = await stage.connect(name=name)
    (socket,) = io.sockets.values()
    socket.emit("bye")
    socket.disconnect(close=True)
    assert await client.received("bye") == []
    assert await client.next("disconnect") == ["io server disconnect"]


@SIO
async def test_client_keeps_the_session_alive(stage: Stage, name: str) -> None:
    io = echo_server(ping_interval=0.2, ping_timeout=0.4)
    await stage.serve(io)
    client = await stage.connect(name=name)
    await asyncio.sleep(0.9)  # longer than both together
    assert client.log.count("disconnect") == 0
    assert await client.ask("echo", 1) == [1]


@SIO
async def test_old_and_new_clients_hear_the_same_broadcast(stage: Stage, name: str) -> None:
    io = Server(allow_eio3=True)
    await stage.serve(io)
    clients = [await stage.connect(name=which) for which in (name, "sio4")]
    io.emit("news", {"bytes": b"\x01\x02"}, "text")
    for client in clients:
        assert await client.received("news") == [{"bytes": b"\x01\x02"}, "text"]


@SIO
async def test_socket_io_by_scripts(page: Stage, name: str) -> None:
    io = echo_server()
    await page.serve(io)
    client = await (await by_script(page, name=name)).connected()
    assert await client.evaluate("socket.io.engine.transport.query.j !== undefined")
    assert await client.ask("echo", *ASCII, *BINARY) == [*ASCII, *BINARY]
    assert await client.received("echoed") == [*ASCII, *BINARY]
    await client.run("socket.disconnect()")


# --- Engine.IO ------------------------------------------------------------------------------------

MESSAGES: list[Any] = ["4", "ü 😀", "a\nb", b"\x00\xff", b"", "x" * 200_000, b"y" * 200_000]


@EIO
async def test_text_and_binary_of_engine_io_come_back(stage: Stage, options: Any) -> None:
    engine = echo_engine()
    await stage.serve(engine)
    client = stage.client(name="eio3", **options)
    (sid,) = await client.next("open")
    assert sid in engine.sessions
    if stage.transport == "upgrade":
        await client.run("if (socket.transport.name !== 'websocket') await once(socket, 'upgrade')")
    for message in MESSAGES:
        await client.run("socket.send(args[0])", message)
    assert [await client.next("message") for _ in MESSAGES] == [[message] for message in MESSAGES]


async def test_messages_during_the_upgrade_keep_their_order(stage: Stage) -> None:
    await stage.serve(echo_engine())
    client = stage.client(name="eio3")
    await client.run(
        "for (let n = 0; n < 300; n++) {"
        "  socket.send(n % 10 ? `${n}` : Buffer.from(`${n}`));"
        "  if (n % 30 === 0) await new Promise((resolve) => setTimeout(resolve, 1));"
        "}"
    )
    assert [await client.next("message") for _ in range(300)] == [
        [str(n) if n % 10 else str(n).encode()] for n in range(300)
    ]


async def test_engine_io_by_scripts(page: Stage) -> None:
    await page.serve(echo_engine())
    client = await by_script(page, name="eio3")
    await client.next("open")
    messages = [*MESSAGES, "</script>\u2028\u2029", 'line\nfeed \\n \\\\n " &=+%']
    for message in messages:
        await client.run("socket.send(args[0])", message)
    assert [await client.next("message") for _ in messages] == [[message] for message in messages]
    await client.run("socket.close()")


async def test_newer_engine_io_by_scripts(page: Stage) -> None:
    await page.serve(echo_engine())
    client = await by_script(page, name="eio4")
    await client.next("open")
    assert await client.evaluate("socket.transport.query.j !== undefined")
    for message in MESSAGES:
        await client.run("socket.send(args[0])", message)
    assert [await client.next("message") for _ in MESSAGES] == [[message] for message in MESSAGES]
    await client.run("socket.close()")


async def test_engine_io_is_refused_where_old_clients_are_not_allowed(stage: Stage) -> None:
    engine = Engine()
    await stage.serve(engine)
    (error,) = await stage.client(name="eio3").next("error")
    assert error["message"] in ("xhr poll error", "websocket error")
    assert not engine.sessions
