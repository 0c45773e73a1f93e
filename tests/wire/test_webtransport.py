"""WebTransport, by a client that shows what is on the wire (docs/protocol/webtransport.md)."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

pytest.importorskip("aioquic")

from sockwave import ConnectError, Engine, RateLimits, Server, WebTransport
from sockwave.codec.webtransport import encode_frame, frame_head
from sockwave.engine import Limits, Request, Response
from tests.support.apps import Ends, echo_engine, ends_of, the_session, the_socket
from tests.support.certificate import write_certificate
from tests.support.fronts import Wire
from tests.support.raw import UNIT, until
from tests.support.webtransport import Client, UdpProxy, client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


TRANSPORTS: Final = ("polling", "websocket", "webtransport")
WINDOW: Final = 256 * 1024
REFUSED: Final = 0x10B
GONE: Final = 0x100


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("webtransport") / "both.pem")


class Served(NamedTuple):
    """An engine that sends back what it gets."""

    engine: Engine
    ends: Ends
    wire: Wire

    @property
    def port(self) -> int:
        return self.wire.port

    @asynccontextmanager
    async def session(self, **options: Any) -> AsyncIterator[Client]:
        """A client with a session."""
        async with client(self.port, **options) as peer:
            assert await peer.begin("/engine.io/") == 200
            peer.send("0")
            assert (await receive_text(peer)).startswith("0{")
            yield peer

    def is_empty(self) -> bool:
        """Whether nothing is left of any client."""
        return not self.engine.sessions and not self.engine.driver.connections


@asynccontextmanager
async def serve(certificate: Path, **options: Any) -> AsyncIterator[Served]:
    engine, ends = echo_engine(**{"transports": TRANSPORTS, **options})
    async with engine.listen(webtransport=WebTransport(certificate)) as listener:
        wire = Wire(listener.host, listener.port, "/engine.io/")
        yield Served(engine, ends, wire)
        await wire.aclose()


async def receive_text(peer: Client) -> str:
    packet = await peer.receive()
    assert isinstance(packet, str)
    return packet


# --- sessions -------------------------------------------------------------------------------------


async def test_session_begins_with_a_zero(certificate: Path) -> None:
    async with serve(certificate) as served, client(served.port) as peer:
        assert await peer.begin("/engine.io/") == 200
        assert served.engine.sessions == {}
        peer.send_raw(b"\x010")
        handshake = json.loads((await receive_text(peer))[1:])
        session = the_session(served.engine)
        assert handshake == {
            "sid": session.id,
            "upgrades": [],
            "pingInterval": 25_000,
            "pingTimeout": 20_000,
            "maxPayload": 1_000_000,
        }
        assert session.transport.name == "webtransport"
        peer.send("4hello", b"\x01\x02", "4" + "é" * 40_000)
        assert await peer.receive() == "4hello"
        assert await peer.receive() == b"\x01\x02"
        assert await peer.receive() == "4" + "é" * 40_000


async def test_stream_and_first_packets_may_come_before_the_answer(certificate: Path) -> None:
    async def later(request: Request) -> None:
        await asyncio.sleep(2 * UNIT)

    async with serve(certificate) as served, client(served.port) as peer:
        served.engine.use(later)
        peer.ask("/engine.io/")
        peer.open_stream()
        peer.send("0", "4early")
        assert (await receive_text(peer)).startswith("0{")
        assert await peer.receive() == "4early"


async def test_settings_are_those_that_browsers_want(certificate: Path) -> None:
    async with serve(certificate) as served, served.session() as peer:
        assert peer.settings[0x2B603742] == peer.settings[0x33] == peer.settings[0x8] == 1
        assert peer.settings[0xC671706A] == peer.settings[0x14E9CD29] == 1


async def test_handshake_is_complete(certificate: Path) -> None:
    io = Server(transports=TRANSPORTS)
    async with io.listen(webtransport=WebTransport(certificate)) as listener:
        async with client(listener.port) as peer:
            await peer.begin("/socket.io/?token=a%20b", user_agent="test", cookie="a=1")
            peer.send("0", '40{"name":"Ada"}')
            await peer.receive()
            await peer.receive()
            handshake = the_socket(io).handshake
    assert handshake.auth == {"name": "Ada"}
    assert handshake.headers["user-agent"] == "test"
    assert handshake.headers["host"] == "127.0.0.1"
    assert handshake.query == {"token": "a b", "EIO": "4", "transport": "webtransport"}
    assert handshake.url == "/socket.io/?token=a%20b&EIO=4&transport=webtransport"
    assert handshake.address == "127.0.0.1"
    assert handshake.secure
    assert not handshake.xdomain


async def test_heartbeat(certificate: Path) -> None:
    async with serve(certificate, ping_interval=2 * UNIT, ping_timeout=10) as served:
        async with served.session() as peer:
            for _ in range(3):
                assert await peer.receive() == "2"
                peer.send("3")


async def test_silent_client_ends_at_the_ping_timeout(certificate: Path) -> None:
    async with serve(certificate, ping_interval=UNIT, ping_timeout=2 * UNIT) as served:
        async with served.session() as peer:
            assert await peer.receive() == "2"
            await peer.until(lambda: peer.error is not None)
            assert [reason for reason, _ in served.ends] == ["ping timeout"]
            await until(served.is_empty)


async def test_client_that_joins_no_namespace_is_sent_away(certificate: Path) -> None:
    io = Server(transports=TRANSPORTS, connect_timeout=2 * UNIT)
    async with io.listen(webtransport=WebTransport(certificate)) as listener:
        async with client(listener.port) as peer:
            await peer.begin()
            peer.send("0")
            await peer.receive()
            await peer.until(lambda: peer.error is not None)
            assert peer.capsule == (0, "")


async def test_socket_comes_back_with_what_it_has_missed(certificate: Path) -> None:
    io = Server(transports=TRANSPORTS, connection_state_recovery=True)
    async with io.listen(webtransport=WebTransport(certificate)) as listener:
        async with client(listener.port) as peer:
            await peer.begin()
            peer.send("0", "40")
            await peer.receive()
            ids = json.loads(str(await peer.receive())[2:])
            io.emit("news", 1)
            offset = json.loads(str(await peer.receive())[2:])[-1]
            peer.close(GONE)
        await until(lambda: not io.engine.sessions)
        io.emit("news", 2)
        async with client(listener.port) as peer:
            await peer.begin()
            peer.send("0", "40" + json.dumps({"pid": ids["pid"], "offset": offset}))
            await peer.receive()
            assert json.loads(str(await peer.receive())[2:])["sid"] == ids["sid"]
            assert json.loads(str(await peer.receive())[2:])[:2] == ["news", 2]


# --- upgrade --------------------------------------------------------------------------------------


async def test_only_polling_clients_hear_of_it_and_only_where_it_runs(certificate: Path) -> None:
    async with serve(certificate, allow_eio3=True) as served:
        polling = await served.wire.open_polling()
        assert polling.handshake["upgrades"] == ["websocket", "webtransport"]
        websocket = await served.wire.open_websocket()
        assert websocket.handshake["upgrades"] == []
        old = await served.wire.get(served.wire.target(eio="3"))
        assert '"upgrades":["websocket"]' in old.text
    engine = Engine(transports=TRANSPORTS)
    async with engine.listen() as listener:
        wire = Wire(listener.host, listener.port, "/engine.io/")
        assert (await wire.open_polling()).handshake["upgrades"] == ["websocket"]
        await wire.aclose()


async def test_session_moves_from_polling(certificate: Path) -> None:
    async with serve(certificate) as served:
        polling = await served.wire.open_polling()
        async with client(served.port) as peer:
            await peer.begin("/engine.io/")
            peer.send(f'0{{"sid":"{polling.sid}"}}', "2probe")
            assert await peer.receive() == "3probe"
            assert (await polling.poll()).text == "6"
            session = the_session(served.engine)
            session.send("in between")
            peer.send("5", "4hello")
            assert await peer.receive() == "4in between"
            assert await peer.receive() == "4hello"
            assert session.upgraded
            assert session.transport.name == "webtransport"
            assert served.ends == []


async def test_trial_that_fails_leaves_the_session_where_it_is(certificate: Path) -> None:
    async with serve(certificate) as served:
        polling = await served.wire.open_polling()
        for first in ("4no probe", "2"):
            async with client(served.port) as peer:
                await peer.begin("/engine.io/")
                peer.send(f'0{{"sid":"{polling.sid}"}}', first)
                await peer.until(lambda: peer.error is not None)
        await polling.send("4still here")
        assert await polling.receive() == "4still here"
        assert served.ends == []


async def test_second_trial_is_turned_away(certificate: Path) -> None:
    async with serve(certificate) as served:
        polling = await served.wire.open_polling()
        async with client(served.port) as first, client(served.port) as second:
            await first.begin("/engine.io/")
            first.send(f'0{{"sid":"{polling.sid}"}}', "2probe")
            assert await first.receive() == "3probe"
            await second.begin("/engine.io/")
            second.send(f'0{{"sid":"{polling.sid}"}}', "2probe")
            await second.until(lambda: second.error is not None)
            first.send("5", "4moved")
            assert await first.receive() == "4moved"


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("1", "Bad request"),
        ("4hello", "Bad request"),
        (b"\x00", "Bad request"),
        ("0{", "Bad request"),
        ('0{"sid":1}', "Bad request"),
        ("0" + json.dumps({"sid": "x" * 2_000}), "Bad request"),
        ('0{"sid":"nobody"}', "Session ID unknown"),
        ('0{"sid":"__proto__"}', "Session ID unknown"),
    ],
)
async def test_first_packet_that_is_not_understood_is_the_end(
    certificate: Path, first: str | bytes, message: str
) -> None:
    failures: list[str] = []
    async with serve(certificate) as served, client(served.port) as peer:
        served.engine.on("connection_error", lambda failure: failures.append(failure.message))
        await peer.begin("/engine.io/")
        peer.send(first)
        await peer.until(lambda: peer.error is not None)
        assert peer.error == REFUSED
        assert failures == [message]
        await until(served.is_empty)


@pytest.mark.parametrize("opens_stream", [False, True])
async def test_client_that_says_nothing_is_sent_away(certificate: Path, opens_stream: bool) -> None:
    async with serve(certificate, upgrade_timeout=2 * UNIT) as served:
        async with client(served.port) as peer:
            peer.ask("/engine.io/")
            await peer.until(lambda: peer.status == 200)
            if opens_stream:
                peer.open_stream()
                peer.send_raw(b"\x05")
            await peer.until(lambda: peer.error is not None)
            await until(served.is_empty)


async def test_client_that_asks_for_nothing_is_sent_away(certificate: Path) -> None:
    limits = Limits(head_timeout=2 * UNIT)
    async with serve(certificate, limits=limits) as served, client(served.port) as peer:
        await peer.until(lambda: peer.error is not None)
        await until(served.is_empty)


# --- rules ----------------------------------------------------------------------------------------


def _refuse(request: Request) -> None:
    raise ConnectError("members only")


async def test_allow_request(certificate: Path) -> None:
    seen: list[Request] = []

    async def nobody(request: Request) -> bool:
        seen.append(request)
        return False

    for rule in (nobody, lambda request: False, _refuse):
        async with serve(certificate, allow_request=rule) as served, client(served.port) as peer:
            await peer.begin("/engine.io/")
            peer.send("0")
            await peer.until(lambda: peer.error is not None)
            assert peer.error == REFUSED
            assert served.engine.sessions == {}
    assert seen[0].query["transport"] == "webtransport"


async def test_middlewares_of_the_engine(certificate: Path) -> None:
    seen: list[str] = []
    async with serve(certificate) as served:

        @served.engine.use
        async def look(request: Request) -> Response | None:
            seen.append(request.path)
            return Response(status=418) if "teapot" in request.query else None

        async with client(served.port) as peer:
            assert await peer.begin("/engine.io/?teapot=1") == 418
            assert peer.is_ended
        async with served.session() as peer:
            peer.send("4hello")
            assert await peer.receive() == "4hello"
        served.engine.use(_refuse)
        async with client(served.port) as peer:
            assert await peer.begin("/engine.io/") == 400
        assert seen == ["/engine.io/"] * 3
        await until(served.is_empty)


@pytest.mark.parametrize(
    ("options", "origin", "status"),
    [
        ({}, "https://evil.example", 403),
        ({}, "https://127.0.0.1", 200),
        ({}, "http://127.0.0.1", 200),
        ({}, "null", 403),
        ({"cors": "https://a.example"}, "https://a.example", 200),
        ({"cors": "https://a.example"}, "https://127.0.0.1", 403),
        ({"allowed_hosts": ["a.example"]}, "https://127.0.0.1", 403),
        ({"allowed_hosts": ["127.0.0.1"]}, "https://127.0.0.1", 200),
    ],
)
async def test_origins_and_hosts(
    certificate: Path, options: dict[str, Any], origin: str, status: int
) -> None:
    async with serve(certificate, **options) as served, client(served.port) as peer:
        assert await peer.begin("/engine.io/", origin=origin) == status


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/elsewhere/", {}, 404),
        ("/engine.io/", {"__method": "GET"}, 404),
        ("/engine.io/", {"__protocol": "websocket"}, 404),
        ("/engine.io/", {"__scheme": "http"}, 400),
        ("/engine.io/", {"host": "other.example"}, 400),
        ("/engine.io/" + "x" * 9_000, {}, 414),
    ],
)
async def test_requests_for_something_else(
    certificate: Path, path: str, headers: dict[str, str], status: int
) -> None:
    async with serve(certificate) as served, client(served.port) as peer:
        assert await peer.begin(path, **headers) == status
        await until(served.is_empty)


async def test_large_head_ends_the_connection(certificate: Path) -> None:
    async with serve(certificate) as served, client(served.port) as peer:
        assert await peer.begin("/engine.io/", x="y" * 20_000) == 0
        assert peer.error == 0x107
        await until(served.is_empty)


async def test_other_sessions_and_streams_on_a_connection_are_refused(certificate: Path) -> None:
    async with serve(certificate) as served, served.session() as peer:
        session, stream = peer.session, peer.stream
        peer.ask("/engine.io/")
        await peer.until(lambda: len(peer.statuses) == 2)
        assert peer.statuses == [200, 429]
        peer.session = session
        for is_unidirectional in (False, True):
            other = peer.http.create_webtransport_stream(session, is_unidirectional)
            peer._quic.send_stream_data(other, b"x" * 5_000)
        peer.stream = stream
        peer.send("4hello")
        assert await peer.receive() == "4hello"


async def test_rate_limits(certificate: Path) -> None:
    limits = RateLimits(session_packets=5, burst=1)
    async with serve(certificate, rate_limits=limits) as served, served.session() as peer:
        peer.send(*["4x"] * 50)
        await peer.until(lambda: peer.capsule is not None)
        assert peer.capsule == (1, "rate limit exceeded")
        assert served.engine.rate_limit_counts.session_packets == 1
        assert [reason for reason, _ in served.ends] == ["rate limit exceeded"]


async def test_limits_of_an_address(certificate: Path) -> None:
    async with serve(certificate, rate_limits=RateLimits(address_sessions=1)) as served:
        async with served.session(), client(served.port) as second:
            await second.begin("/engine.io/")
            second.send("0")
            await second.until(lambda: second.error is not None)
            assert second.error == REFUSED
        await until(served.is_empty)
        async with served.session():
            pass
    async with serve(certificate, rate_limits=RateLimits(address_connections=1)) as served:
        async with served.session(), client(served.port) as second:
            await second.until(lambda: second.error is not None)
            assert second.error == 0x107


# --- what breaks the protocol ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x00", "empty frame"),
        (frame_head(2**63 - 1), "message too big"),
        (frame_head(1_001, binary=True), "message too big"),
    ],
)
async def test_bad_frame_ends_the_session(certificate: Path, data: bytes, words: str) -> None:
    async with serve(certificate, max_payload=1_000) as served, served.session() as peer:
        peer.send_raw(data)
        await peer.until(lambda: peer.capsule is not None)
        assert peer.capsule == (1, words)
        assert served.ends == [("parse error", words)]
        await until(served.is_empty)


async def test_text_that_is_none_ends_the_session(certificate: Path) -> None:
    async with serve(certificate) as served, served.session() as peer:
        peer.send_raw(encode_frame(b"4\xff"))
        await peer.until(lambda: peer.capsule is not None)
        assert served.ends == [("transport error", "invalid UTF-8")]


async def test_rubbish_frees_everything(certificate: Path) -> None:
    """Row V47 of docs/security.md, in small."""
    rng = random.Random(47)
    async with serve(certificate) as served:
        for turn in range(30):
            async with client(served.port) as peer:
                peer.ask("/engine.io/")
                peer.open_stream()
                match turn % 3:
                    case 0:
                        peer.send_raw(rng.randbytes(rng.randrange(1, 2_000)))
                    case 1:
                        peer.send_raw(frame_head(2**63 - 1))
                    case 2:
                        peer._quic.reset_stream(peer.stream if turn % 2 else peer.session, 1)
                        peer.transmit()
                if turn % 2:
                    await peer.until(lambda: peer.status is not None or peer.error is not None)
        await until(served.is_empty)
        async with served.session() as peer:
            peer.send("4hello")
            assert await peer.receive() == "4hello"


async def test_client_that_wants_no_answers_gets_none(certificate: Path) -> None:
    async with serve(certificate) as served, served.session() as peer:
        session = peer.session
        for _ in range(3):
            peer.session = peer._quic.get_next_available_stream_id()
            peer.ask("/engine.io/")
            peer._quic.stop_stream(peer.session, 1)
            peer.transmit()
        peer.send("4hello")
        assert await peer.receive() == "4hello"
        peer.session = session
        peer._quic.stop_stream(peer.stream, 1)
        peer.transmit()
        the_session(served.engine).send("x")
        await until(served.is_empty)
        assert [reason for reason, _ in served.ends] == ["transport close"]


async def test_trailers_end_the_session(certificate: Path) -> None:
    async with serve(certificate) as served, served.session() as peer:
        peer.http.send_headers(peer.session, [(b"x", b"y")])
        peer.transmit()
        await until(served.is_empty)


async def test_handshake_that_is_not_ended_is_forgotten(certificate: Path) -> None:
    limits = Limits(head_timeout=2 * UNIT)
    async with serve(certificate, limits=limits) as served:
        async with UdpProxy(("127.0.0.1", served.port)) as proxy:
            proxy.is_deaf = True
            async with client(proxy.port, wait_connected=False):
                await until(lambda: served.engine.driver.connections)
                (front,) = served.engine.driver.connections
                port: Any = front._port  # type: ignore[attr-defined] # of this front
                assert port.handshakes == 1
                await until(served.is_empty)
                assert port.handshakes == 0


async def test_datagrams_of_nobody_are_dropped(certificate: Path) -> None:
    rng = random.Random(1)
    loop = asyncio.get_running_loop()
    async with serve(certificate) as served:
        udp, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", served.port)
        )
        for size in (1, 20, 1_200, 1_400):
            for first in (0x00, 0x40, 0xC0, 0xFF):
                udp.sendto(bytes([first]) + rng.randbytes(size))
                udp.sendto(bytes([first]) + b"\0\0\0\1\x08" + rng.randbytes(size))
        async with served.session() as peer:
            peer.send("4hello")
            assert await peer.receive() == "4hello"
        udp.close()


# --- back-pressure --------------------------------------------------------------------------------


async def test_client_may_send_no_more_than_a_window_while_nobody_reads(certificate: Path) -> None:
    async with serve(certificate) as served, served.session() as peer:
        session = the_session(served.engine)
        got: list[str | bytes] = []
        session.off("message")
        session.on("message", got.append)
        session.pause_reading()
        for number in range(40):
            peer.send(bytes([number]) * 50_000)
        sender = peer._quic._streams[peer.stream].sender
        await until(lambda: sender.highest_offset >= WINDOW - 2_000)
        await asyncio.sleep(4 * UNIT)
        assert got == []
        assert sender.highest_offset <= WINDOW
        session.resume_reading()
        await until(lambda: len(got) == 40)
        assert [each[0] for each in got] == list(range(40))


async def test_client_that_takes_nothing_is_bounded_and_ends(certificate: Path) -> None:
    async with serve(certificate, max_backlog=2_000_000) as served:
        async with UdpProxy(("127.0.0.1", served.port)) as proxy, client(proxy.port) as peer:
            await peer.begin("/engine.io/")
            peer.send("0")
            await peer.receive()
            session = the_session(served.engine)
            proxy.is_cut = True
            for _ in range(100):
                session.send("x" * 30_000)
                await asyncio.sleep(0)
            assert session.transport.buffered() < 400_000
            await until(lambda: served.ends)
            assert [reason for reason, _ in served.ends] == ["backlog exceeded"]
            await until(served.is_empty)


async def test_slow_client_gets_all_in_order(certificate: Path) -> None:
    async with serve(certificate) as served, served.session() as peer:
        session = the_session(served.engine)
        for number in range(100):
            session.send(bytes([number]) * 20_000)
        for number in range(100):
            assert await peer.receive() == bytes([number]) * 20_000
        assert session.is_writable
        assert session.backlog == 0


# --- ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["capsule", "connection", "stream", "reset", "packet"])
async def test_client_leaves(certificate: Path, how: str) -> None:
    async with serve(certificate) as served, served.session() as peer:
        match how:
            case "capsule":
                peer.close_session(7, "bye")
            case "connection":
                peer.close(GONE)
            case "stream":
                peer._quic.send_stream_data(peer.stream, b"", end_stream=True)
                peer.transmit()
            case "reset":
                peer._quic.reset_stream(peer.stream, 0x10F)
                peer.transmit()
            case "packet":
                peer.send("1")
        await until(served.is_empty)
        assert [reason for reason, _ in served.ends] == ["transport close"]


async def test_server_closes_after_what_it_has_sent(certificate: Path) -> None:
    async with serve(certificate) as served, served.session() as peer:
        session = the_session(served.engine)
        session.send("x" * 500_000)
        session.close()
        assert len(await peer.receive()) == 500_001
        await peer.until(lambda: peer.error is not None)
        assert peer.capsule == (0, "")
        assert peer.error == GONE
        assert [reason for reason, _ in served.ends] == ["forced close"]


async def test_shutdown_says_goodbye_and_takes_nobody(certificate: Path) -> None:
    io = Server(transports=TRANSPORTS)
    ends = ends_of(io)
    io.engine.on("closing", lambda: io.emit("news", "closing"))
    async with io.listen(webtransport=WebTransport(certificate)) as listener:
        async with client(listener.port) as peer, client(listener.port) as late:
            await peer.begin()
            peer.send("0", "40")
            await peer.receive()
            await peer.receive()
            closing = asyncio.create_task(io.close())
            assert await peer.receive() == '42["news","closing"]'
            assert await late.begin() in (0, 503)
            await closing
            await peer.until(lambda: peer.error is not None)
            assert peer.capsule == (0, "")
            assert ends == [("server shutting down", "")]
            assert io.engine.driver.connections == set()


async def test_client_that_is_gone_does_not_hold_up_the_end(certificate: Path) -> None:
    async with serve(certificate) as served:
        async with UdpProxy(("127.0.0.1", served.port)) as proxy, client(proxy.port) as peer:
            await peer.begin("/engine.io/")
            peer.send("0")
            await peer.receive()
            proxy.is_cut = True
            the_session(served.engine).send("x" * 100_000)
            async with asyncio.timeout(5):
                await served.engine.close(shutdown_timeout=0.2)
            assert served.is_empty()


async def test_client_whose_connection_is_no_more_is_told_so(certificate: Path) -> None:
    async with serve(certificate) as served, served.session() as peer:
        token = peer._quic._peer_cid.stateless_reset_token
        datagrams: list[bytes] = []
        received = peer.datagram_received

        def receive(data: bytes | str, addr: Any) -> None:
            assert isinstance(data, bytes)
            datagrams.append(data)
            received(data, addr)

        peer.datagram_received = receive  # type: ignore[method-assign] # as in a subclass
        (front,) = served.engine.driver.connections
        front._forget()  # type: ignore[attr-defined] # of this front
        peer.send("4" + "x" * 100)
        await until(lambda: any(data.endswith(token) for data in datagrams))
        assert all(len(data) < 100 for data in datagrams if data.endswith(token))


# --- networks -------------------------------------------------------------------------------------


async def test_client_may_change_its_address(certificate: Path) -> None:
    async with serve(certificate) as served:
        async with UdpProxy(("127.0.0.1", served.port)) as proxy, client(proxy.port) as peer:
            await peer.begin("/engine.io/")
            peer.send("0")
            await peer.receive()
            began = the_session(served.engine).request.client
            for number in range(5):
                await proxy.move()
                peer.send(f"4{number}")
                assert await peer.receive() == f"4{number}"
            the_session(served.engine).send("unasked")
            assert await peer.receive() == "4unasked"
            assert the_session(served.engine).request.client == began
            assert served.ends == []


async def test_crowd_has_to_show_its_addresses_first(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sockwave.engine.server.fronts.quic.endpoint.RETRY_ABOVE", 0)
    async with serve(certificate) as served, served.session() as peer:
        assert peer._quic._retry_count == 1
        peer.send("4hello")
        assert await peer.receive() == "4hello"


async def test_process_that_is_full_takes_no_more(
    certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(certificate, limits=Limits(connections=1)) as served, served.session():
        async with client(served.port, wait_connected=False) as peer:
            await until(lambda: "limits.connections=1" in caplog.text)
            assert peer.settings == {}


async def test_ipv6(certificate: Path) -> None:
    engine, _ = echo_engine(transports=TRANSPORTS)
    try:
        listening = engine.listen("::1", webtransport=WebTransport(certificate))
        async with listening as listener, client(listener.port, "::1") as peer:
            await peer.begin("/engine.io/")
            peer.send("0")
            await peer.receive()
            assert the_session(engine).remote_address == "::1"
    except OSError:
        pytest.skip("no IPv6 here")


# --- certificates and arguments -------------------------------------------------------------------


async def test_new_certificate_is_used_once_its_file_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sockwave.engine.server.fronts.quic.certificates.LOOK_INTERVAL", 0.0)
    file = write_certificate(tmp_path / "both.pem")

    async def number(served: Served) -> int:
        async with served.session() as peer:
            found = peer._quic.tls._peer_certificate
            assert found is not None
            return found.serial_number

    async with serve(file) as served:
        first = await number(served)
        assert await number(served) == first
        write_certificate(file)
        assert await number(served) != first


@pytest.mark.logs_errors
async def test_certificate_that_makes_no_sense_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sockwave.engine.server.fronts.quic.certificates.LOOK_INTERVAL", 0.0)
    file = write_certificate(tmp_path / "both.pem")
    async with serve(file) as served:
        file.write_text("nothing")
        async with served.session() as peer:
            peer.send("4hello")
            assert await peer.receive() == "4hello"
    assert "the new certificate for WebTransport is not used" in caplog.text


async def test_files_that_are_no_certificate(tmp_path: Path) -> None:
    engine = Engine(transports=TRANSPORTS)
    mine = write_certificate(tmp_path / "mine.pem")
    other = write_certificate(tmp_path / "other.pem")
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    for files, error, words in (
        ((tmp_path / "missing.pem",), FileNotFoundError, "missing.pem"),
        ((nothing,), ValueError, "no certificate in PEM"),
        ((mine, nothing), ValueError, "no key in PEM"),
        ((mine, other), ValueError, "is not that of"),
    ):
        with pytest.raises(error, match=words):
            async with engine.listen(webtransport=WebTransport(*files)):
                pass


async def test_arguments_are_checked(certificate: Path) -> None:
    engine = Engine(transports=TRANSPORTS)
    with pytest.raises(TypeError, match="certfile must be a path"):
        WebTransport(1)  # type: ignore[arg-type] # the test
    with pytest.raises(TypeError, match="must be a WebTransport"):
        async with engine.listen(webtransport=str(certificate)):  # type: ignore[arg-type] # the test
            pass
    with pytest.raises(ValueError, match="not among the transports"):
        async with Engine().listen(webtransport=WebTransport(certificate)):
            pass
    with pytest.raises(ValueError, match="does not go with unix_path"):
        async with engine.listen(webtransport=WebTransport(certificate), unix_path="/tmp/x"):
            pass


async def test_without_the_extra_one_line_says_what_to_install(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if ".fronts.quic" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aioquic.h3.connection", None)
    engine = Engine(transports=TRANSPORTS)
    with pytest.raises(ImportError, match=r'pip install "sockwave\[webtransport\]"'):
        async with engine.listen(webtransport=WebTransport(certificate)):
            pass


def test_nothing_is_imported_unless_it_is_used() -> None:
    source = (
        "import sys, sockwave; sockwave.Server(transports=['polling', 'webtransport']);"
        "print([n for n in sys.modules if n.partition('.')[0] in ('aioquic', 'cryptography')])"
    )
    found = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, env=os.environ
    )
    assert found.stdout.strip() == "[]"
