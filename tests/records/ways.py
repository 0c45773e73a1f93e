"""Ways in which a connection ends, each with what a support person should be told of it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sockwave import ConnectError, Limits, RateLimits, Recovery
from sockwave.codec.websocket import Opcode, encode_frame
from sockwave.testing.fault_proxy import FaultProxy
from sockwave.testing.http_fault_proxy import HttpFaultProxy
from tests.support.fronts import Wire
from tests.support.raw import UNIT, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sockwave import Server, Socket

__all__ = ["WAYS", "Stage", "Way"]


@dataclass
class Stage:
    """A server, and the way to it."""

    io: Server
    wire: Wire

    @asynccontextmanager
    async def behind(self, kind: type[FaultProxy] = FaultProxy) -> AsyncIterator[tuple[Any, Wire]]:
        """Put a proxy in between."""
        async with kind(self.wire.host, self.wire.port) as proxy:
            wire = Wire("127.0.0.1", proxy.port, self.wire.path)
            yield proxy, wire
            await wire.aclose()

    async def gone(self) -> None:
        """Wait until the server has no session any more."""
        await until(lambda: not self.io.engine.sessions)


@dataclass(frozen=True)
class Way:
    """One of them.

    Attributes:
        name: Of the function.
        run: Does it.
        says: Part of the sentence.
        by: Who has ended it.
        option: Name of the option in the record.
        hint: Part of a further sentence.
        hosted: Part of the sentence where an ASGI server reads the WebSocket, which tells less.
        options: Of the server.
    """

    name: str
    run: Callable[[Stage], Awaitable[None]]
    says: str
    by: str
    option: str = ""
    hint: str = ""
    hosted: str = ""
    options: dict[str, Any] = field(default_factory=dict)


WAYS: Final[list[Way]] = []


def way(
    says: str, *, by: str, option: str = "", hint: str = "", hosted: str = "", **options: Any
) -> Callable[[Callable[[Stage], Awaitable[None]]], Callable[[Stage], Awaitable[None]]]:
    """Add one."""

    def decorated(run: Callable[[Stage], Awaitable[None]]) -> Callable[[Stage], Awaitable[None]]:
        WAYS.append(Way(run.__name__, run, says, by, option, hint, hosted, options))
        return run

    return decorated


# --- the client says goodbye ----------------------------------------------------------------------


@way("The client's program disconnected", by="client")
async def client_disconnects_on_websocket(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    await peer.send("41")
    await peer.websocket.close()


@way("The client's program disconnected", by="client")
async def client_disconnects_on_polling(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    await peer.send("41", "1")


@way("page was left, closed or reloaded", by="client")
async def page_is_left(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    await peer.websocket.close(1001)


@way("The client closed the connection in an orderly way", by="client")
async def client_closes_with_1000(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    await peer.websocket.close(1000)


@way("The client closed the connection (WebSocket close code 4001)", by="client")
async def client_closes_with_a_code_of_its_own(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    await peer.websocket.close(4001)


@way("The client said goodbye and closed the connection", by="client")
async def polling_page_is_left(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    await peer.send("1")


# --- the network ----------------------------------------------------------------------------------


@way("broke off without a goodbye", by="network", hosted="or the client closed it")
async def connection_is_cut(stage: Stage) -> None:
    async with stage.behind() as (proxy, wire):
        await (await wire.open_websocket()).connect()
        proxy.cut()
        await stage.gone()


@way("broke off without a goodbye", by="network", hosted="or the client closed it")
async def connection_is_reset(stage: Stage) -> None:
    async with stage.behind() as (proxy, wire):
        await (await wire.open_websocket()).connect()
        proxy.reset()
        await stage.gone()


@way(
    "the server heard nothing for",
    by="network",
    option="ping_timeout",
    ping_interval=2 * UNIT,
    ping_timeout=2 * UNIT,
)
async def network_goes_silent(stage: Stage) -> None:
    async with stage.behind() as (proxy, wire):
        await (await wire.open_websocket()).connect()
        proxy.stall()
        await stage.gone()


@way(
    "the server got no request for",
    by="network",
    option="ping_timeout",
    ping_interval=2 * UNIT,
    ping_timeout=2 * UNIT,
)
async def polling_client_goes_silent(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    await stage.gone()


@way("the server heard nothing for", by="network", option="ping_timeout", allow_eio3=True,
     ping_interval=2 * UNIT, ping_timeout=2 * UNIT)  # fmt: skip
async def old_client_goes_silent(stage: Stage) -> None:
    await stage.wire.open_websocket(eio="3")
    await stage.gone()


@way("broke off a poll", by="network")
async def poll_is_broken_off(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    peer.gets.send("GET", peer.target)
    session = stage.io.engine.sessions[peer.sid]
    await until(lambda: session.transport.is_writable)
    await peer.gets.close()


@way("broke off a POST", by="network")
async def post_is_broken_off(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    head = f"POST {peer.target} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n4"
    peer.posts.write(head.encode())
    session: Any = stage.io.engine.sessions[peer.sid]
    await until(lambda: session.transport._post is not None)
    await peer.posts.close()


@way("two polls", by="client")
async def proxy_repeats_polls(stage: Stage) -> None:
    async with stage.behind(HttpFaultProxy) as (proxy, wire):
        http = await wire.http()
        first = json.loads((await http.get(wire.target())).text[1:])
        proxy.repeats, proxy.repeats_at_once = "GET", True
        (await wire.http()).send("GET", wire.target(sid=first["sid"]))
        await stage.gone()


@way("two POSTs", by="client")
async def two_posts_at_a_time(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    head = f"POST {peer.target} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n4"
    peer.posts.write(head.encode())
    session: Any = stage.io.engine.sessions[peer.sid]
    await until(lambda: session.transport._post is not None)
    assert (await (await stage.wire.http()).post(peer.target, "3")).status == 400


# --- on the way to a WebSocket --------------------------------------------------------------------


@way("said goodbye", by="client", hint="did not succeed within", upgrade_timeout=2 * UNIT)
async def upgrade_hangs(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    await stage.wire.websocket(stage.wire.target("websocket", sid=peer.sid))
    await _has_failed(stage, peer.sid)
    await peer.send("1")


@way("said goodbye", by="client", hint="the new connection broke off")
async def upgrade_breaks_off(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    async with stage.behind() as (proxy, wire):
        await wire.websocket(wire.target("websocket", sid=peer.sid))
        proxy.reset()
        await _has_failed(stage, peer.sid)
    await peer.send("1")


@way("said goodbye", by="client", hint="without the headers Upgrade and Connection")
async def proxy_drops_the_headers_of_an_upgrade(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    reply = await stage.wire.get(stage.wire.target("websocket", sid=peer.sid))
    assert reply.status == 400
    await peer.send("1")


@way(
    "while it moved from polling to WebSocket",
    by="network",
    option="upgrade_timeout",
    hint="the new connection broke off",
    upgrade_timeout=2 * UNIT,
)
async def client_goes_in_the_middle_of_an_upgrade(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    websocket = await stage.wire.websocket(stage.wire.target("websocket", sid=peer.sid))
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    await websocket.http.close()
    await stage.gone()


async def _has_failed(stage: Stage, sid: str) -> None:
    await until(lambda: stage.io.connections.find(sid)[0].failed_upgrades)


# --- the client breaks a protocol -----------------------------------------------------------------


@way("no packet of Engine.IO", by="client")
async def packet_of_no_type(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    await peer.send("9")


@way("no packet of Socket.IO", by="client")
async def packet_that_cannot_be_read(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    await peer.send('42["a"')


@way("no packet of Socket.IO (got binary data when not reconstructing a packet)", by="client")
async def binary_data_that_nobody_announced(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    await peer.send(b"abc")


@way(
    "broke the rules of WebSocket (invalid UTF-8)",
    by="client",
    hosted="broke the rules of WebSocket, and the ASGI",
)
async def text_that_is_not_utf8(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    peer.websocket.frame(Opcode.TEXT, b'42["\xff"]')


@way(
    "broke the rules of WebSocket (unmasked frame)",
    by="client",
    hosted="broke the rules of WebSocket, and the ASGI",
)
async def frame_that_is_not_masked(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    peer.websocket.http.write(encode_frame(Opcode.TEXT, b"3", mask=False))


@way("broke the protocol (second CONNECT for a namespace: '/')", by="client")
async def second_connect(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    await peer.send("40")


@way("broke the protocol (event for a namespace that was not joined: '/admin')", by="client")
async def event_for_another_namespace(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    await peer.send('42/admin,["a"]')
    await peer.poll()


@way("announced binary data that did not come within", by="client", option="ping_timeout",
     ping_timeout=2 * UNIT)  # fmt: skip
async def attachments_that_do_not_come(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    await peer.send('451-["a",{"_placeholder":true,"num":0}]')
    await stage.gone()


@way("a heartbeat that only the server sends", by="client")
async def heartbeat_in_the_wrong_direction(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    await peer.send("2")


@way("a POST of bytes", by="client")
async def post_of_bytes(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    reply = await peer.post(b"4", Content_Type="application/octet-stream")
    assert reply.status == 400


# --- limits ---------------------------------------------------------------------------------------


@way("more than 1_000 bytes (max_payload)", by="limit", option="max_payload=1000",
     max_payload=1_000)  # fmt: skip
async def message_is_too_large(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    await peer.send("4" * 1_001)


@way("more than 1_000 bytes (max_payload)", by="limit", option="max_payload=1000",
     max_payload=1_000)  # fmt: skip
async def post_is_too_large(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    assert (await peer.post("4" * 1_001)).status == 413


@way("more than 2 packets in one request", by="limit", option="limits.packets_per_post=2",
     limits=Limits(packets_per_post=2))  # fmt: skip
async def post_of_too_many_packets(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    assert (await peer.post("3\x1e3\x1e3")).status == 413


@way("in no namespace after", by="limit", option="connect_timeout", connect_timeout=2 * UNIT)
async def no_namespace_is_joined(stage: Stage) -> None:
    await stage.wire.open_websocket()
    await stage.gone()


@way("it was refused in /nowhere ('Invalid namespace')", by="limit", option="connect_timeout",
     connect_timeout=2 * UNIT)  # fmt: skip
async def no_namespace_lets_it_in(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect("/nowhere")
    await stage.gone()


@way("more than 2_000_000 bytes waited for it (max_backlog)", by="limit",
     option="max_backlog=2000000", max_backlog=2_000_000)  # fmt: skip
async def client_does_not_read(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    for _ in range(5):
        stage.io.emit("a", "x" * 500_000)


@way("altogether (limits.process_backlog)", by="limit", option="limits.process_backlog=3000000",
     limits=Limits(process_backlog=3_000_000))  # fmt: skip
async def clients_together_do_not_read(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    for _ in range(10):
        stage.io.emit("a", "x" * 500_000)
        await asyncio.sleep(0)
    await stage.gone()


@way("more than 2 packets per second (rate_limits.session_packets)", by="limit",
     option="rate_limits.session_packets=2",
     rate_limits=RateLimits(session_packets=2, burst=1))  # fmt: skip
async def client_sends_too_often(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.send("40", *['42["a"]'] * 9)
    await stage.gone()


@way("The client was refused, and never connected: rate_limits.address_sessions=1", by="limit",
     rate_limits=RateLimits(address_sessions=1))  # fmt: skip
async def address_has_too_many_sessions(stage: Stage) -> None:
    await stage.wire.open_websocket()
    reply = await stage.wire.get(stage.wire.target())
    assert reply.status == 429


@way("never connected: Origin 'https://evil.example' is not in", by="server",
     cors="https://good.example")  # fmt: skip
async def page_of_another_origin(stage: Stage) -> None:
    reply = await stage.wire.upgrade(stage.wire.target("websocket"), Origin="https://evil.example")
    assert reply.status == 403


@way("never connected: transport=websocket without an upgrade to WebSocket", by="server")
async def proxy_drops_the_headers_of_a_websocket(stage: Stage) -> None:
    reply = await stage.wire.get(stage.wire.target("websocket"))
    assert reply.status == 400


@way("never connected: EIO='3' is not 4", by="server")
async def client_of_an_old_version(stage: Stage) -> None:
    reply = await stage.wire.get(stage.wire.target(eio="3"))
    assert reply.status == 400


# --- the application, and the server --------------------------------------------------------------


@way("The server's application disconnected the client", by="application")
async def application_disconnects(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    next(iter(stage.io.sockets.values())).disconnect(close=True)


@way("The server's application took the client out of /", by="application")
async def application_takes_it_out(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    next(iter(stage.io.sockets.values())).disconnect()
    assert await peer.receive() == "41"
    await peer.websocket.close()


@way("The server's application closed the session", by="application")
async def application_closes_the_session(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    stage.io.engine.sessions[peer.sid].close()


@way("The client was refused in / ('not you'), and closed", by="application")
async def middleware_refuses(stage: Stage) -> None:
    @stage.io.use
    def refuse(socket: Socket) -> None:
        raise ConnectError("not you")

    peer = await stage.wire.open_websocket()
    await peer.connect()
    await peer.websocket.close()


@way("The client was refused in / ('full'), and closed", by="application")
async def connection_handler_refuses(stage: Stage) -> None:
    @stage.io.on("connection")
    async def refuse(socket: Socket) -> None:
        raise ConnectError("full")

    peer = await stage.wire.open_websocket()
    await peer.send("40")
    while not (await peer.receive()).startswith("44"):  # type: ignore[arg-type] # text
        pass
    await peer.websocket.close()


@way("The server was stopped or restarted.", by="server")
async def server_is_stopped(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    await peer.connect()
    await stage.io.close()


@way("The server was stopped or restarted.", by="server")
async def server_is_stopped_and_nobody_says_goodbye(stage: Stage) -> None:
    peer = await stage.wire.open_polling()
    await peer.connect()
    await stage.io.close(shutdown_timeout=0)


@way("was back on a new connection before", by="network",
     connection_state_recovery=Recovery())  # fmt: skip
async def client_is_back_on_another_connection(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    reply = json.loads((await peer.connect())[2:])
    stage.io.emit("a", 1)
    told = await peer.receive()
    offset = json.loads(str(told)[2:])[-1]
    other = await stage.wire.open_websocket()
    await other.connect(auth={"pid": reply["pid"], "offset": offset})
    await until(lambda: len(stage.io.engine.sessions) == 1)


@way(
    "some of what it had missed was forgotten meanwhile",
    by="server",
    option="connection_state_recovery",
    connection_state_recovery=Recovery(max_packets=2),
    connection_records=1,  # the other one ends first
)
async def what_was_missed_is_forgotten_while_a_middleware_decides(stage: Stage) -> None:
    peer = await stage.wire.open_websocket()
    reply = json.loads((await peer.connect())[2:])
    stage.io.emit("a", 1)
    offset = json.loads(str(await peer.receive())[2:])[-1]

    @stage.io.use
    def forget(socket: Socket) -> None:
        for number in range(5):
            stage.io.emit("b", number)

    other = await stage.wire.open_websocket()
    await other.send(f"40{json.dumps({'pid': reply['pid'], 'offset': offset})}")
    await stage.gone()
