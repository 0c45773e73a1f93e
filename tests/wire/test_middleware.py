"""Middlewares of the engine (docs/protocol/engine.md#middlewares)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import ConnectError, Request, Server, Socket
from sockwave.engine import HandshakeFailure, Response
from tests.support.apps import echo_engine, echo_server, the_session, the_socket
from tests.support.raw import UNIT, PollingPeer, until

if TYPE_CHECKING:
    from tests.support.fronts import Front


@pytest.mark.parametrize("later", [False, True])
async def test_middleware_sees_every_request_in_order_before_the_engine(
    front: Front, later: bool
) -> None:
    engine, _ = echo_engine()
    seen: list[tuple[str, str, str]] = []

    def now(request: Request) -> None:
        seen.append(("first", request.method, request.query["transport"]))

    async def soon(request: Request) -> None:
        await asyncio.sleep(0)
        now(request)

    engine.use(soon if later else now)

    @engine.use()
    def second(request: Request) -> None:
        seen.append(("second", request.method, request.query["transport"]))

    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        await peer.send("4" + "long" * 10_000)
        assert await peer.receive() == "4" + "long" * 10_000
        websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        refused = await wire.get(wire.target("polling", sid="unknown"))
        assert refused.json()["code"] == 1
    names = [name for name, *_ in seen]
    assert names == ["first", "second"] * (len(seen) // 2)
    requests = {(method, transport) for _, method, transport in seen}
    assert requests == {("GET", "polling"), ("POST", "polling"), ("GET", "websocket")}


@pytest.mark.parametrize("later", [False, True])
async def test_middleware_may_answer_itself(front: Front, later: bool) -> None:
    engine, _ = echo_engine(cors="*")
    response = Response(status=401, headers=[("X-Reason", "asleep")], body=b"come back")

    async def soon(request: Request) -> Response:
        return response

    engine.use(soon if later else lambda request: response)
    never = engine.use(lambda request: pytest.fail("the one before has answered"))
    assert callable(never)
    async with front.serve(engine) as wire:
        for reply in (
            await wire.get(wire.target()),
            await wire.request("POST", wire.target(sid="x"), body=b"4hello"),
            await wire.upgrade(wire.target("websocket")),
        ):
            assert (reply.status, reply.body) == (401, b"come back")
            assert reply.header("x-reason") == "asleep"
            assert reply.header("access-control-allow-origin") == "*"
        assert engine.clients_count == 0


@pytest.mark.logs_errors
@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("is_meant", [False, True])
async def test_middleware_that_fails_refuses_the_request(
    front: Front, later: bool, is_meant: bool, caplog: pytest.LogCaptureFixture
) -> None:
    engine, _ = echo_engine()
    failures: list[HandshakeFailure] = []
    engine.on("connection_error", failures.append)

    def now(request: Request) -> None:
        raise ConnectError("no") if is_meant else RuntimeError("secret")

    async def soon(request: Request) -> None:
        now(request)

    engine.use(soon if later else now)
    async with front.serve(engine) as wire:
        reply = await wire.get(wire.target())
        assert reply.status == 400
        assert reply.json() == {"code": 3, "message": "Bad request"}
        reply = await wire.upgrade(wire.target("websocket"))
        assert (reply.status, reply.body) == (400, b"Bad request")
    assert [dict(failure.context) for failure in failures] == [{"name": "MIDDLEWARE_FAILURE"}] * 2
    assert ("secret" in caplog.text) is not is_meant


@pytest.mark.logs_errors
async def test_middleware_that_returns_anything_else_refuses(
    native: Front, caplog: pytest.LogCaptureFixture
) -> None:
    engine, _ = echo_engine()
    engine.use(lambda request: True)
    async with native.serve(engine) as wire:
        assert (await wire.get(wire.target())).status == 400
    assert "must return a Response or None" in caplog.text


async def test_what_a_middleware_finds_out_is_there_for_the_socket(front: Front) -> None:
    io, _ = echo_server()

    @io.engine.use
    def session(request: Request) -> None:
        request.state["user"] = request.query.get("user")

    async with front.serve(io) as wire:
        peer = await wire.open_polling(user="ada")
        await peer.connect()
        socket = the_socket(io)
        assert socket.request.state == {"user": "ada"}
        assert socket.request is socket.handshake.request is socket.conn.request


async def test_files_and_preflights_pass_without_being_asked(front: Front) -> None:
    io = Server(cors="*")
    io.engine.use(lambda request: Response(status=401))
    async with front.serve(io) as wire:
        assert (await wire.get(f"{wire.path}socket.io.js")).status == 200
        assert (await wire.request("OPTIONS", wire.target())).status == 204
        assert (await wire.get(wire.target())).status == 401


async def test_peer_that_leaves_while_a_middleware_waits_leaves_nothing(front: Front) -> None:
    engine, _ = echo_engine()
    go_on = asyncio.Event()
    passed: list[Request] = []

    @engine.use
    async def wait(request: Request) -> None:
        passed.append(request)
        await go_on.wait()

    async with front.serve(engine) as wire:
        http = await wire.http()
        http.send("GET", wire.target())
        await until(lambda: passed)
        await http.close()
        await asyncio.sleep(UNIT)
        go_on.set()
        await asyncio.sleep(UNIT)
        assert engine.clients_count == 0


async def test_too_large_body_is_refused_while_a_middleware_waits(front: Front) -> None:
    engine, ends = echo_engine(max_payload=100)
    go_on = asyncio.Event()

    async def wait(request: Request) -> None:
        await go_on.wait()

    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        engine.use(wait)
        assert (await peer.post(b"4" * 200)).status == 413
        assert ends == []
        go_on.set()
        await until(lambda: ends)
        assert ends == [("transport error", "payload too large")]


async def test_too_large_body_that_a_middleware_refuses_ends_nothing(front: Front) -> None:
    engine, _ = echo_engine(max_payload=100)
    go_on, is_over = asyncio.Event(), asyncio.Event()

    async def refuse(request: Request) -> Response:
        await go_on.wait()
        asyncio.get_running_loop().call_soon(is_over.set)
        return Response(status=403)

    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        engine.use(refuse)
        assert (await peer.post(b"4" * 200)).status == 413
        go_on.set()
        await is_over.wait()
        assert the_session(engine).is_open


async def test_limit_of_payloads_holds_behind_a_middleware(front: Front, transport: str) -> None:
    io, _ = echo_server(max_payload=5)
    heard: list[Any] = []

    async def wait(request: Request) -> None:
        await asyncio.sleep(0)

    io.engine.use(wait)

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on_any(lambda *args: heard.append(args))

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.send("40")
        await until(lambda: io.sockets)
        if isinstance(peer, PollingPeer):
            assert (await peer.post('42["echo","long"]')).status == 413
        else:
            await peer.send('42["echo","long"]')
            await peer.ended()
    assert heard == []


@pytest.mark.parametrize("status", [99, 101, 600, "200"])
def test_response_is_checked(status: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="status"):
        Response(status=status)
    with pytest.raises(ValueError, match="header"):
        Response(headers=[("X-A", "b\r\nX-C: d")])
    with pytest.raises(TypeError, match="bytes"):
        Response(body="text")  # type: ignore[arg-type] # it is the test
