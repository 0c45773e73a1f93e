"""Rate limits on the wire: who is stopped, what they are told, and who is not touched."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import ConnectError, RateLimits, Server
from sockwave.codec.websocket import Opcode
from sockwave.engine import ErrorCode, RateLimitCounts
from tests.support.apps import echo_engine, echo_server, the_session
from tests.support.raw import Closed, PollingPeer, Reply, WebSocketPeer, until

if TYPE_CHECKING:
    from sockwave import HandshakeFailure, Request
    from sockwave.engine import Session
    from tests.support.fronts import Front
    from tests.support.raw import Peer

TOO_MUCH = b'{"code":429,"message":"Rate limit exceeded"}'


def limits(burst: float = 1_000.0, **at_once: float) -> RateLimits:
    """Limits by how much may come at once; more does not come back within a test."""
    rates: Any = {name: most / burst for name, most in at_once.items()}
    return RateLimits(burst=burst, **rates)


def counted(**counts: int) -> RateLimitCounts:
    return RateLimitCounts(**counts)


async def send_too_much(peer: Peer, *packets: str | bytes) -> None:
    """Send packets of which the last is too much, and see what a client is told."""
    if isinstance(peer, PollingPeer):
        waiting = peer.gets
        waiting.send("GET", peer.target)
        reply = await peer.post("\x1e".join(str(packet) for packet in packets))
        check_refusal(reply)
        last = await waiting.read()
        assert last.text.split("\x1e")[-1] == "1"
        await peer.ended()
    else:
        assert isinstance(peer, WebSocketPeer)
        await peer.send(*packets)
        assert await peer.ended() == Closed(1008, "rate limit exceeded")


def check_refusal(reply: Reply) -> None:
    """The answer to a request that polls."""
    assert (reply.status, reply.body) == (429, TOO_MUCH)
    assert reply.header("content-type") == "application/json"
    assert reply.header("x-content-type-options") == "nosniff"


def check_patience(reply: Reply, *seconds: int) -> None:
    """The answer to a new session, which tells when to come again."""
    assert reply.status == 429
    assert int(reply.header("retry-after") or "") in seconds


# --- what sessions send -------------------------------------------------------------------------


async def test_packets_over_the_rate_of_a_session_close_it(front: Front, transport: str) -> None:
    engine, ends = echo_engine(rate_limits=limits(session_packets=5))
    async with front.serve(engine) as wire:
        peer = await wire.open(transport)
        await peer.send(*["4a"] * 5)
        for _ in range(5):
            assert await peer.receive() == "4a"
        await send_too_much(peer, "4b")
        assert ends == [("rate limit exceeded", "too many packets of the session")]
        assert engine.rate_limit_counts == counted(session_packets=1)


async def test_packets_before_the_one_too_many_are_handled(front: Front, transport: str) -> None:
    engine, _ = echo_engine(rate_limits=limits(session_packets=3))
    seen: list[str] = []
    engine.on("connection", lambda session: session.on("message", seen.append))
    async with front.serve(engine) as wire:
        peer = await wire.open(transport)
        await send_too_much(peer, "4a", "4b", "4c", "4d", "4e")
        assert seen == ["a", "b", "c"]


async def test_bytes_over_the_rate_of_a_session_close_it(front: Front, transport: str) -> None:
    engine, ends = echo_engine(rate_limits=limits(session_bytes=15))
    async with front.serve(engine) as wire:
        peer = await wire.open(transport)
        await peer.send("4" + "a" * 9)
        assert await peer.receive() == "4" + "a" * 9
        await send_too_much(peer, "4" + "a" * 9)
        assert ends == [("rate limit exceeded", "too many bytes of the session")]
        assert engine.rate_limit_counts == counted(session_bytes=1)


async def test_binary_messages_are_counted(front: Front, transport: str) -> None:
    engine, ends = echo_engine(rate_limits=limits(session_packets=2, session_bytes=15))
    async with front.serve(engine) as wire:
        for messages in ([b"a", b"b", b"c"], [b"x" * 16]):
            peer = await wire.open(transport)
            if isinstance(peer, PollingPeer):
                for message in messages[:-1]:
                    await peer.send(message)
                with pytest.raises(AssertionError, match="429"):
                    await peer.send(messages[-1])
                await peer.ended()
            else:
                await peer.send(*messages)
                assert await peer.ended() == Closed(1008, "rate limit exceeded")
        assert [text for _, text in ends] == [
            "too many packets of the session",
            "too many bytes of the session",
        ]


async def test_message_in_fragments_is_counted_whole(native_front: Front) -> None:
    engine, ends = echo_engine(rate_limits=limits(session_packets=1, session_bytes=15))
    async with native_front.serve(engine) as wire:
        peer = await wire.open_websocket()
        for opcode, payload in ((Opcode.TEXT, b"4a"), (Opcode.CONTINUATION, b"b")):
            peer.websocket.frame(opcode, payload, fin=False)
        peer.websocket.frame(Opcode.CONTINUATION, b"c")
        assert await peer.receive() == "4abc"
        peer.websocket.frame(Opcode.TEXT, b"4a", fin=False)
        peer.websocket.frame(Opcode.CONTINUATION, b"b")
        assert await peer.ended() == Closed(1008, "rate limit exceeded")
        assert ends == [("rate limit exceeded", "too many packets of the session")]


async def test_heartbeats_are_counted(front: Front) -> None:
    engine, ends = echo_engine(rate_limits=limits(session_packets=5))
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        await peer.send(*["3"] * 6)
        assert await peer.ended() == Closed(1008, "rate limit exceeded")
        assert ends == [("rate limit exceeded", "too many packets of the session")]


async def test_sessions_of_one_address_share_its_rate(front: Front, transport: str) -> None:
    engine, ends = echo_engine(rate_limits=limits(address_packets=6))
    async with front.serve(engine) as wire:
        one, other = await wire.open(transport), await wire.open(transport)
        await one.send(*["4a"] * 3)
        await other.send(*["4b"] * 3)
        assert [await one.receive() for _ in range(3)] == ["4a"] * 3
        assert [await other.receive() for _ in range(3)] == ["4b"] * 3
        assert ends == []
        await send_too_much(one, "4a")
        assert ends == [("rate limit exceeded", "too many packets of the address")]
        await send_too_much(other, "4b")
        assert engine.rate_limit_counts == counted(address_packets=2)


async def test_bytes_of_one_address_are_counted(front: Front) -> None:
    engine, ends = echo_engine(rate_limits=limits(address_bytes=15))
    async with front.serve(engine) as wire:
        one, other = await wire.open_websocket(), await wire.open_polling()
        await one.send("4" + "a" * 9)
        assert await one.receive() == "4" + "a" * 9
        await send_too_much(other, "4" + "a" * 9)
        await one.send("4a")
        assert await one.receive() == "4a"
        assert ends == [("rate limit exceeded", "too many bytes of the address")]
        assert engine.rate_limit_counts == counted(address_bytes=1)


async def test_session_that_keeps_to_the_rate_stays(front: Front, transport: str) -> None:
    engine, ends = echo_engine(
        rate_limits=RateLimits(
            session_packets=200, session_bytes=10_000, address_packets=400, burst=0.25
        )
    )
    async with front.serve(engine) as wire:
        peer = await wire.open(transport)
        for number in range(60):
            await peer.send(f"4{number}")
            assert await peer.receive() == f"4{number}"
            await asyncio.sleep(0.01)
        assert ends == []
        assert engine.rate_limit_counts == counted()


async def test_session_that_was_upgraded_is_still_counted(front: Front) -> None:
    engine, ends = echo_engine(rate_limits=limits(session_packets=3))
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        await peer.send("4a", "4b")
        websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        websocket.send("5")
        await until(lambda: the_session(engine).transport.name == "websocket")
        websocket.send("4c")
        websocket.send("4d")
        assert await websocket.closed() == Closed(1008, "rate limit exceeded")
        assert ends == [("rate limit exceeded", "too many packets of the session")]


async def test_watched_session_is_counted_too(front: Front, transport: str) -> None:
    engine, ends = echo_engine(rate_limits=limits(session_packets=2))
    packets: list[str] = []

    @engine.on("connection")
    def connection(session: Session) -> None:
        session.on("packet", lambda packet: packets.append(packet.data))

    async with front.serve(engine) as wire:
        peer = await wire.open(transport)
        await send_too_much(peer, "4a", "4b", "4c")
        assert packets == ["a", "b", "c"]
        assert [reason for reason, _ in ends] == ["rate limit exceeded"]


async def test_session_of_revision_3_is_counted(front: Front) -> None:
    engine, ends = echo_engine(rate_limits=limits(session_packets=2), allow_eio3=True)
    async with front.serve(engine) as wire:
        websocket = await wire.websocket(wire.target("websocket", "3"))
        await websocket.receive_text()
        for message in ("4a", b"\x04b", "4c"):
            websocket.send(message)
        assert await websocket.closed() == Closed(1008, "rate limit exceeded")
        http = await wire.http()
        first = (await http.get(wire.target("polling", "3"))).text
        target = wire.target("polling", "3", sid=json.loads(first.partition("0")[2])["sid"])
        assert (await http.post(target, "2:4a2:4b")).status == 200
        check_refusal(await http.post(target, "2:4c"))
        assert [reason for reason, _ in ends] == ["rate limit exceeded"] * 2


async def test_sockets_hear_of_the_reason(front: Front, transport: str) -> None:
    io, ends = echo_server(rate_limits=limits(session_packets=3))
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send('420["ask",1]')
        assert await peer.receive() == "430[1]"
        await send_too_much(peer, '42["echo"]', '42["echo"]')
        assert ends == [("rate limit exceeded", "too many packets of the session")]
        assert not io.sockets


async def test_attachments_are_counted(front: Front) -> None:
    io, ends = echo_server(rate_limits=limits(session_packets=4))
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        place = '{"_placeholder":true,"num":%d}'
        await peer.send(f'453-["ask",{place % 0},{place % 1},{place % 2}]', b"a", b"b", b"c")
        assert (await peer.ended()).code == 1008
        assert [reason for reason, _ in ends] == ["rate limit exceeded"]


async def test_one_line_in_the_log_for_many_sessions(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    engine, _ = echo_engine(rate_limits=limits(session_packets=1))
    async with front.serve(engine) as wire:
        for _ in range(3):
            peer = await wire.open_websocket()
            await peer.send("4a", "4b")
            await peer.ended()
    lines = [record.getMessage() for record in caplog.records if record.name == "sockwave.engine"]
    about = [line for line in lines if "rate limit" in line]
    assert about == ["127.0.0.1: rate limit exceeded: too many packets of the session"]


# --- new sessions -------------------------------------------------------------------------------


async def test_sessions_over_the_rate_of_an_address_are_refused(front: Front) -> None:
    io = Server(rate_limits=RateLimits(address_handshakes=0.1, burst=20.0))
    failures: list[HandshakeFailure] = []
    io.engine.on("connection_error", failures.append)
    async with front.serve(io) as wire:
        one, other = await wire.open_polling(), await wire.open_websocket()
        reply = await wire.get(wire.target())
        check_refusal(reply)
        check_patience(reply, 9, 10)
        check_patience(await wire.upgrade(wire.target("websocket")), 9, 10)
        assert io.engine.rate_limit_counts == counted(address_handshakes=2)
        assert [failure.code for failure in failures] == [ErrorCode.RATE_LIMIT_EXCEEDED] * 2
        assert failures[0].context == {"name": "ADDRESS_HANDSHAKES"}
        await one.connect()
        await other.connect()


async def test_sessions_over_the_limit_of_an_address_are_refused(front: Front) -> None:
    engine, _ = echo_engine(rate_limits=RateLimits(address_sessions=2))
    async with front.serve(engine) as wire:
        one, other = await wire.open_polling(), await wire.open_websocket()
        check_patience(await wire.get(wire.target()), 5)
        check_patience(await wire.upgrade(wire.target("websocket")), 5)
        assert engine.rate_limit_counts == counted(address_sessions=2)
        await other.websocket.close()
        await until(lambda: len(engine.sessions) == 1)
        third = await wire.open_websocket()
        check_patience(await wire.get(wire.target()), 5)
        await one.send("4a")
        await third.send("4b")
        assert (await one.receive(), await third.receive()) == ("4a", "4b")


async def test_upgrade_is_no_new_session(front: Front) -> None:
    engine, _ = echo_engine(rate_limits=limits(address_handshakes=1, address_packets=100))
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        assert engine.rate_limit_counts == counted()


async def test_sessions_that_open_while_the_application_is_asked_are_counted(front: Front) -> None:
    asked = 0
    go = asyncio.Event()

    async def allow(request: Request) -> bool:
        nonlocal asked
        asked += 1
        await go.wait()
        return True

    engine, _ = echo_engine(rate_limits=RateLimits(address_sessions=2), allow_request=allow)
    async with front.serve(engine) as wire:
        https = [await wire.http() for _ in range(4)]
        for http in https:
            http.send("GET", wire.target())
        await until(lambda: asked == 4)
        go.set()
        assert sorted([(await http.read()).status for http in https]) == [200, 200, 429, 429]
        assert engine.rate_limit_counts == counted(address_sessions=2)


async def test_application_is_not_asked_about_what_is_refused(front: Front) -> None:
    asked: list[Request] = []

    def allow(request: Request) -> None:
        asked.append(request)
        raise ConnectError("no")

    engine, _ = echo_engine(rate_limits=limits(address_handshakes=2), allow_request=allow)
    async with front.serve(engine) as wire:
        statuses = [(await wire.get(wire.target())).status for _ in range(4)]
        assert statuses == [403, 403, 429, 429]
        assert len(asked) == 2


async def test_page_of_another_origin_may_read_the_refusal(front: Front) -> None:
    engine, _ = echo_engine(rate_limits=limits(address_handshakes=1), cors="https://a.example")
    async with front.serve(engine) as wire:
        for status in (200, 429):
            reply = await wire.get(wire.target(), Origin="https://a.example")
            assert reply.status == status
            assert reply.header("access-control-allow-origin") == "https://a.example"


# --- TCP connections ----------------------------------------------------------------------------


async def test_connections_over_the_limit_of_an_address_are_refused(native_front: Front) -> None:
    engine, _ = echo_engine(rate_limits=RateLimits(address_connections=3))
    async with native_front.serve(engine) as wire:
        peer = await wire.open_polling()
        third = await wire.open_websocket()
        http = await wire.http()
        reply = await http.read()
        check_refusal(reply)
        check_patience(reply, 5)
        assert await http.is_closed()
        assert engine.rate_limit_counts == counted(address_connections=1)
        await third.websocket.close()
        await until(lambda: len(engine.driver.connections) < 3)
        assert (await wire.upgrade(wire.target("websocket"))).status == 101
        await peer.send("4a")
        assert await peer.receive() == "4a"


async def test_connections_that_were_lost_are_not_counted(native_front: Front) -> None:
    engine, _ = echo_engine(rate_limits=RateLimits(address_connections=2))
    async with native_front.serve(engine) as wire:
        for _ in range(5):
            half, whole = await wire.http(), await wire.open_websocket()
            half.write(b"GET / HT")
            half.reset()
            whole.websocket.http.reset()
            await until(lambda: not engine.driver.connections)
        assert engine.rate_limit_counts == counted()


# --- nothing is left ----------------------------------------------------------------------------


async def test_address_is_forgotten_when_it_is_quiet(front: Front) -> None:
    engine, _ = echo_engine(
        rate_limits=RateLimits(address_handshakes=100, address_sessions=50, burst=0.1)
    )
    assert engine.rates is not None
    rates = engine.rates
    async with front.serve(engine) as wire:
        for _ in range(5):
            peer = await wire.open_websocket()
            assert rates.addresses == 1
            await peer.websocket.close()
        await until(lambda: rates.addresses == 0)


async def test_counts_stay_when_nothing_is_limited(front: Front, transport: str) -> None:
    io, ends = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(*['42["echo"]'] * 1_000)
        for _ in range(1_000):
            assert await peer.receive() == '42["echo"]'
        assert ends == []
        assert io.engine.rate_limit_counts == counted()
        assert io.engine.rates is None


def test_sessions_without_limits_are_of_the_plain_kind() -> None:
    for some in (None, RateLimits(), RateLimits(address_sessions=1, address_handshakes=1)):
        engine, _ = echo_engine(rate_limits=some)
        assert [kind.__name__ for kind in engine.session_kinds] == [
            "ServerSession",
            "ServerSessionV3",
        ]


async def test_server_may_run_in_another_loop_afterwards(native: Front) -> None:
    engine, _ = echo_engine(rate_limits=limits(address_handshakes=1, session_packets=10))

    def in_another_loop() -> None:
        async def run() -> None:
            async with native.serve(engine) as wire:
                peer = await wire.open_websocket()
                await peer.send("4a")
                assert await peer.receive() == "4a"
                check_patience(await wire.get(wire.target()), *range(900, 1_001))

        with asyncio.Runner(loop_factory=native.loop_factory) as runner:
            runner.run(run())

    await asyncio.to_thread(in_another_loop)
    await asyncio.to_thread(in_another_loop)
