"""A connection comes about: transports, upgrade, what the handshake shows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import ConnectError, Request, Server, Socket

if TYPE_CHECKING:
    from interop.stage import Stage

pytestmark = pytest.mark.interop

REFUSED = ("xhr poll error", "websocket error")


@pytest.mark.parametrize("name", ["sio3", "sio4"])
async def test_client_connects_and_ends_up_on_its_last_transport(stage: Stage, name: str) -> None:
    io = Server()
    await stage.serve(io)
    client = await stage.connect(name=name)
    wanted = "polling" if stage.transport == "polling" else "websocket"
    assert await client.evaluate("socket.io.engine.transport.name") == wanted
    assert await client.evaluate("socket.id") in io.sockets


@pytest.mark.parametrize("name", ["sio3", "sio4"])
async def test_server_and_client_agree_on_the_transport(stage: Stage, name: str) -> None:
    io = Server()

    @io.event
    def transport(socket: Socket) -> str:
        return socket.conn.transport.name

    await stage.serve(io)
    client = await stage.connect(name=name)
    assert await client.ask("transport") == [
        await client.evaluate("socket.io.engine.transport.name")
    ]


async def test_client_stays_on_polling_where_upgrades_are_not_announced(stage: Stage) -> None:
    await stage.serve(Server(allow_upgrades=False))
    client = await stage.client().connected()
    wanted = "websocket" if stage.transport == "websocket" else "polling"
    assert await client.evaluate("socket.io.engine.transport.name") == wanted


async def test_handshake_shows_query_headers_cookies_and_auth(stage: Stage) -> None:
    io = Server()

    @io.event
    def who(socket: Socket) -> Any:
        shake = socket.handshake
        return (
            shake.query["room"],
            shake.headers["x-team"],
            shake.cookies,
            shake.auth,
            shake.address,
            shake.xdomain,
            shake.secure,
        )

    await stage.serve(io)
    client = await stage.connect(
        query={"room": "a b&c=ü"},
        auth={"token": ["s3cret", 1, None]},
        extraHeaders={"X-Team": "blue", "Cookie": "session=42; theme=dark"},
    )
    assert await client.ask("who") == [
        "a b&c=ü",
        "blue",
        {"session": "42", "theme": "dark"},
        {"token": ["s3cret", 1, None]},
        "127.0.0.1",
        False,
        False,
    ]


async def test_auth_function_of_the_client_is_asked(stage: Stage) -> None:
    io = Server()
    io.event(auth_of)
    await stage.serve(io)
    client = stage.client(autoConnect=False, auth={"n": 0})
    await client.connected()
    await client.run("socket.disconnect(); socket.auth = (done) => done({n: 1}); socket.connect()")
    await client.connected()
    assert await client.ask("auth_of") == [{"n": 1}]


def auth_of(socket: Socket) -> Any:
    return socket.handshake.auth


async def test_cookie_of_the_session_comes_back_with_later_requests(stage: Stage) -> None:
    io = Server(cookie={"name": "stick"})
    seen: list[str | None] = []
    io.engine.on("headers", lambda headers, request: seen.append(request.cookies.get("stick")))
    await stage.serve(io)
    client = await stage.connect(withCredentials=True)
    sid = await client.evaluate("socket.io.engine.id")
    if stage.transport != "websocket":
        assert seen[0] is None
        assert seen[1:]
        assert set(seen[1:]) == {sid}


async def test_request_refused_by_the_application_fails_with_403(stage: Stage) -> None:
    async def allow(request: Request) -> bool:
        await asyncio.sleep(0)
        return request.headers.get("x-key") == "right"

    await stage.serve(Server(allow_request=allow))
    refused = stage.client(extraHeaders={"X-Key": "wrong"})
    (error,) = await refused.next("connect_error")
    assert error["message"] in REFUSED
    await stage.connect(extraHeaders={"X-Key": "right"})


async def test_client_of_another_path_is_not_served(stage: Stage) -> None:
    await stage.serve(Server(path="/ws"))
    await stage.connect(path="/ws")
    (error,) = await stage.client().next("connect_error")
    assert error["message"] in (*REFUSED, "server error")  # the application answers in our place


async def test_refused_client_is_told_why_and_let_in_with_a_better_token(stage: Stage) -> None:
    io = Server()

    @io.use
    async def authenticate(socket: Socket) -> None:
        await asyncio.sleep(0)
        if socket.handshake.auth.get("token") != "s3cret":
            raise ConnectError("not authorized", data={"retry": True, "after": 5})

    await stage.serve(io)
    client = stage.client(auth={"token": "wrong"})
    (error,) = await client.next("connect_error")
    assert error == {
        "message": "not authorized",
        "data": {"retry": True, "after": 5},
        "description": None,
    }
    await client.run("socket.auth = {token: 's3cret'}; socket.connect()")
    await client.connected()
    assert client.log == ["connect_error", "connect"]


async def test_two_hundred_packets_of_the_first_moment_arrive_in_order(stage: Stage) -> None:
    io = Server()
    seen: list[int] = []
    io.event("n")(lambda socket, n: seen.append(n))
    done = asyncio.Event()
    io.event("done")(lambda socket: done.set())

    @io.on("connection")
    def connection(socket: Socket) -> None:
        for n in range(200):
            socket.emit("n", n)

    await stage.serve(io)
    client = stage.client()
    await client.run("for (let n = 0; n < 200; n++) socket.emit('n', n); socket.emit('done')")
    await asyncio.wait_for(done.wait(), 10)
    assert seen == list(range(200))
    assert [await client.received("n") for _ in range(200)] == [[n] for n in range(200)]
