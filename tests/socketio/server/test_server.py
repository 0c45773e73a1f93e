"""The server as a whole: its end, its options, and what it leaves to the engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

import pytest

from sockwave import ConnectError, Server, TransportError
from sockwave.engine.core.options import EngineOptions
from sockwave.socketio.server.options import ServerOptions
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import Log, settle, socket_of

if TYPE_CHECKING:
    from sockwave import HandshakeFailure, Request, Socket

Kind = Literal["websocket", "polling"]


# --- closing --------------------------------------------------------------------------------------


async def test_close_ends_every_socket_and_session(transport: Kind) -> None:
    io = Server()
    reasons = Log()
    for name in ("/", "/admin"):
        io.of(name).event("disconnect")(lambda socket, reason: reasons(reason))
    async with LinkedClient(io, transport=transport) as client, client.of("/admin") as admin:
        await settle()
        await io.close()
        assert await client.disconnected() == await admin.disconnected() == "transport close"
    assert reasons == [("server shutting down",)] * 2
    assert (dict(io.sockets), io.engine.sessions) == ({}, {})


async def test_server_that_was_closed_takes_new_clients() -> None:
    io = Server()
    async with LinkedClient(io):
        await io.close()
    async with LinkedClient(io) as client:
        socket_of(io, client).join("r")
        io.to("r").emit("x")
        assert await client.received() == ("x", [])


async def test_close_cancels_handlers_that_still_run() -> None:
    io = Server()
    ended = Log()

    @io.event
    async def work(socket: Socket) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended("cancelled")
            raise

    async with LinkedClient(io) as client:
        client.emit("work")
        await settle()
        await io.close()
    assert ended == [("cancelled",)]


async def test_close_leaves_nothing_of_handlers_that_have_not_begun_yet() -> None:
    io = Server()
    calls = Log()

    @io.event
    def stop(socket: Socket) -> None:
        closing.append(asyncio.ensure_future(io.close()))

    @io.event
    async def work(socket: Socket) -> None:
        calls("begun")
        await asyncio.sleep(60)

    closing: list[asyncio.Future[None]] = []
    async with LinkedClient(io) as client:
        client.send_raw('42["stop"]', '42["work"]')
        await settle()
        await closing[0]
    assert calls == [("begun",)]
    assert io.engine.driver._tasks == set()


async def test_handler_may_close_the_server() -> None:
    io = Server()
    done = asyncio.Event()

    @io.event
    async def stop(socket: Socket) -> None:
        await io.close()
        done.set()

    async with LinkedClient(io) as client:
        client.emit("stop")
        async with asyncio.timeout(40):
            await done.wait()


async def test_closing_a_server_that_nobody_used_is_no_error() -> None:
    io = Server()
    io.engine.driver.bind(asyncio.get_running_loop())
    await io.close()


def test_new_loop_finds_no_sockets_of_an_old_one() -> None:
    io = Server()

    async def leave_without_closing() -> None:
        await LinkedClient(io).connect()

    async def look() -> None:
        async with LinkedClient(io):
            assert len(io.sockets) == len(io.engine.sessions) == 1

    asyncio.run(leave_without_closing())
    asyncio.run(look())


# --- the engine below -----------------------------------------------------------------------------


async def test_engine_is_asked_before_a_session_begins(transport: Kind) -> None:
    asked = Log()
    failures: list[HandshakeFailure] = []

    async def allow(request: Request) -> bool:
        asked(request.query["user"])
        await asyncio.sleep(0)
        return request.query["user"] == "ann"

    io = Server(allow_request=allow)
    io.engine.on("connection_error", failures.append)
    async with LinkedClient(io, transport=transport, query={"user": "ann"}):
        with pytest.raises(TransportError, match="403"):
            await LinkedClient(io, transport=transport, query={"user": "bob"}).connect()
    assert asked == [("ann",), ("bob",)]
    assert [failure.code for failure in failures] == [4]


async def test_page_of_another_origin_cannot_open_a_websocket() -> None:
    headers = {"Origin": "https://evil.org", "Host": "example.com"}
    with pytest.raises(TransportError, match="403"):
        await LinkedClient(Server(), headers=headers).connect()
    async with LinkedClient(Server(cors="https://evil.org"), headers=headers):
        pass


async def test_client_of_an_old_protocol_is_refused() -> None:
    with pytest.raises(TransportError, match="400"):
        await LinkedClient(Server(), query={"EIO": "3"}).connect()


async def test_session_ids_may_be_made_by_the_application() -> None:
    io = Server(generate_id=lambda request: "chosen")
    async with LinkedClient(io) as client:
        assert list(io.engine.sessions) == ["chosen"]
        assert socket_of(io, client).conn.id == "chosen"


# --- the handshake --------------------------------------------------------------------------------


async def test_handshake_shows_the_first_request(transport: Kind) -> None:
    io = Server()
    client = LinkedClient(
        io,
        auth={"token": "s3cret"},
        transport=transport,
        query={"room": "a b"},
        headers={"User-Agent": "test", "Cookie": "a=1; b=2"},
        address=("192.0.2.7", 1234),
    )
    async with client:
        handshake = socket_of(io, client).handshake
        assert handshake.headers["user-agent"] == "test"
        assert handshake.query["EIO"] == "4"
        assert handshake.query["transport"] == transport
        assert handshake.query["room"] == "a b"
        assert handshake.cookies == {"a": "1", "b": "2"}
        assert handshake.auth == {"token": "s3cret"}
        assert handshake.address == "192.0.2.7"
        assert handshake.url.startswith("/socket.io/?EIO=4&transport=")
        assert (handshake.secure, handshake.xdomain) == (False, False)
        assert handshake is socket_of(io, client).handshake


async def test_handshake_without_auth_and_address_is_empty() -> None:
    io = Server()
    async with LinkedClient(io, address=None) as client:
        handshake = socket_of(io, client).handshake
        assert (handshake.auth, handshake.address) == ({}, "")


async def test_time_of_the_handshake_is_told_twice() -> None:
    io = Server()
    async with LinkedClient(io) as client:
        handshake = socket_of(io, client).handshake
        assert 1.7e12 < handshake.issued < 1e13
        assert handshake.time.endswith("+00:00")


async def test_repr_of_a_handshake_shows_no_secret() -> None:
    io = Server()
    async with LinkedClient(io, auth={"token": "s3cret"}, query={"key": "hidden"}) as client:
        shown = repr(socket_of(io, client).handshake)
        assert "s3cret" not in shown and "hidden" not in shown


async def test_cross_domain_request_is_told() -> None:
    io = Server(cors="*")
    async with LinkedClient(io, headers={"Origin": "https://a.com"}) as client:
        assert socket_of(io, client).handshake.xdomain


# --- options --------------------------------------------------------------------------------------


def test_options_go_to_the_engine_or_stay() -> None:
    io = Server(ping_interval=5, ack_timeout=7)
    assert io.engine.options.ping_interval == 5
    assert io.options.ack_timeout == 7
    assert io.engine.options.path == "/socket.io"
    assert EngineOptions().path == "/engine.io"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("ping_intervall", 5),
        ("ping_interval", -1),
        ("cors", "example.com"),
        ("connect_timeout", 0),
        ("connect_timeout", float("inf")),
        ("ack_timeout", "60"),
        ("serve_client", "no"),
        ("max_attachments", 0),
        ("max_depth", 251),
        ("max_namespaces", 1.5),
        ("max_pending_connects", True),
        ("max_pending_acks", -1),
        ("max_pending_handlers", None),
        ("allow_sid_rooms", 1),
    ],
)
def test_wrong_option_is_refused_at_the_call_and_named(option: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=option):
        Server(**{option: value})


def test_defaults_are_those_of_the_reference_where_it_has_them() -> None:
    options = ServerOptions()
    assert (options.connect_timeout, options.serve_client) == (45.0, True)
    assert options.max_attachments == 10


# --- the linked client itself ---------------------------------------------------------------------


async def test_linked_client_waits_no_longer_than_its_timeout() -> None:
    io = Server()
    io.use(lambda socket: asyncio.sleep(60))
    with pytest.raises(TimeoutError):
        await LinkedClient(io, timeout=0.02).connect()
    io = Server()
    async with LinkedClient(io) as client:
        client._timeout = 0.02
        with pytest.raises(TimeoutError):
            await client.received()
        with pytest.raises(TimeoutError):
            await client.disconnected()


async def test_linked_client_that_is_refused_leaves_no_session(transport: Kind) -> None:
    io = Server()

    @io.use
    def refuse(socket: Socket) -> None:
        raise ConnectError

    with pytest.raises(ConnectError):
        await LinkedClient(io, transport=transport).connect()
    await settle()
    assert io.engine.sessions == {}
