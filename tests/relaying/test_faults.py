"""What goes wrong between servers that relay: nobody hangs, and nobody else notices."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from sockwave import RateLimits, Server, connect
from sockwave.adapters import Faults, MemoryBroker, MemoryDriver
from sockwave.engine import Limits
from sockwave.engine.server.rules.rates import RETRY_AFTER
from sockwave.relaying import node
from sockwave.relaying.streams import WINDOW
from sockwave.relaying.wire import RelayType
from tests.relaying.cluster import CAPABILITIES, Machines, MemoryAdapter, adapter_of, machines
from tests.support.raw import DEADLINE, Closed, PollingPeer, RawHttp, RawWebSocket, until, within

if TYPE_CHECKING:
    from sockwave.engine.server.sessions.session import ServerSession

TARGET: Final = "/socket.io/?EIO=4&transport=polling"
UNKNOWN: Final = {"code": 1, "message": "Session ID unknown"}


async def open_at(there: Machines, owner: int, gets: int, posts: int) -> PollingPeer:
    """A session of one server, whose client polls at another one, and posts at a third."""
    first = await (await there.http(owner)).get(TARGET)
    assert first.status == 200
    peer = PollingPeer(await there.http(gets), await there.http(posts), TARGET, first)
    await peer.connect()
    return peer


async def upgrade_at(there: Machines, peer: PollingPeer, machine: int) -> RawWebSocket:
    """Move it to a WebSocket at a server."""
    connection = await there.http(machine)
    target = peer.target.replace("polling", "websocket")
    connection.send("GET", target, RawWebSocket.request_headers())
    assert (await connection.read()).status == 101
    websocket = RawWebSocket(connection)
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    websocket.send("5")
    return websocket


def session_at(there: Machines, machine: int) -> ServerSession:
    (session,) = there.servers[machine].engine.sessions.values()
    return session


# --- who has it -----------------------------------------------------------------------------------


@pytest.mark.slow
async def test_session_that_nobody_has_is_unknown() -> None:
    async with machines() as there:
        connection = await there.http(0)
        reply = await connection.get(f"{TARGET}&sid=nobody5a61_OTO6GB_AA")
        assert (reply.status, reply.json()) == (400, UNKNOWN)
        reply = await connection.post(f"{TARGET}&sid=nobody5a61_OTO6GB_AA", b"4hi")
        assert (reply.status, reply.json()) == (400, UNKNOWN)
        target = f"{TARGET}&sid=nobody5a61_OTO6GB_AA".replace("polling", "websocket")
        reply = await connection.request("GET", target, RawWebSocket.request_headers())
        assert (reply.status, reply.body) == (400, b"Session ID unknown")


async def test_session_that_has_ended_is_unknown_at_once() -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        session_at(there, 0).discard()
        asked = there.hubs[1].node.asked
        assert (await peer.poll()).json() == UNKNOWN
        assert there.hubs[1].node.asked == asked + 1  # the one that had it, and nobody else


async def test_clients_of_old_revisions_are_not_relayed() -> None:
    async with machines(allow_eio3=True) as there:
        first = await (await there.http(0)).get("/socket.io/?EIO=3&transport=polling")
        assert first.status == 200
        sid = next(iter(there.servers[0].engine.sessions))
        reply = await (await there.http(1)).get(f"/socket.io/?EIO=3&transport=polling&sid={sid}")
        assert (reply.status, reply.json()) == (400, UNKNOWN)
        assert there.hubs[1].relayed == 0


# --- servers that die -----------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that say nothing are taken for gone sooner."""
    monkeypatch.setattr(node, "SIGN_INTERVAL", 0.1)
    monkeypatch.setattr(node, "SILENCE", 0.4)


@pytest.mark.usefixtures("hasty")
@pytest.mark.slow
async def test_poll_whose_owner_has_died_is_answered_and_the_next_ones_are_unknown() -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        peer.gets.send("GET", peer.target)
        session = session_at(there, 0)
        await until(lambda: session.transport.is_writable)
        adapter_of(there.servers[0]).relay_driver.kill()
        reply = await peer.gets.read()
        assert (reply.status, reply.json()) == (400, UNKNOWN)
        assert (await peer.poll()).json() == UNKNOWN
        assert (await peer.post("42[]")).json() == UNKNOWN


@pytest.mark.usefixtures("hasty")
async def test_websocket_whose_owner_has_died_is_closed() -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        websocket = await upgrade_at(there, peer, 1)
        websocket.send('420["echo"]')
        assert await websocket.receive() == "430[[]]"
        adapter_of(there.servers[0]).relay_driver.kill()
        assert isinstance(await websocket.receive(), Closed)


@pytest.mark.usefixtures("hasty")
async def test_sessions_end_whose_requests_are_at_a_server_that_has_died() -> None:
    async with machines() as there:
        peer, moved = await open_at(there, 0, 1, 2), await open_at(there, 0, 1, 2)
        websocket = await upgrade_at(there, moved, 1)
        websocket.send('420["echo"]')
        assert await websocket.receive() == "430[[]]"
        peer.gets.send("GET", peer.target)
        sessions = there.servers[0].engine.sessions
        await until(lambda: sessions[peer.sid].transport.is_writable)
        mine = await open_at(there, 0, 0, 0)
        adapter_of(there.servers[1]).relay_driver.kill()
        await until(lambda: list(sessions) == [mine.sid])
        await mine.send('420["echo",1]')
        assert await mine.receive() == "430[[1]]"


@pytest.mark.parametrize("again", [2, 0])
async def test_poll_that_comes_again_takes_the_place_of_one_at_a_dead_server(again: int) -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        session = session_at(there, 0)
        peer.gets.send("GET", peer.target)
        await until(lambda: session.transport.is_writable)
        adapter_of(there.servers[1]).relay_driver.kill()
        peer.gets = await there.http(again)
        peer.gets.send("GET", peer.target)
        owner = there.hubs[0].node
        await until(lambda: owner.asked and not owner.open_questions)
        await peer.send('420["echo",1]')
        assert (await peer.gets.read()).body == b"430[[1]]"


@pytest.mark.parametrize("again", [2, 0])
async def test_session_ends_whose_answer_to_a_poll_is_lost_with_a_server(again: int) -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        session = session_at(there, 0)
        peer.gets.send("GET", peer.target)
        await until(lambda: session.transport.is_writable)
        adapter_of(there.servers[1]).relay_driver.kill()
        session.send("lost")
        await until(lambda: not session.transport.is_writable)
        reply = await (await there.http(again)).get(peer.target)
        assert reply.status == 400
        assert not there.servers[0].engine.sessions


async def test_second_poll_is_refused_while_the_first_one_waits_at_a_server_that_lives() -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        session = session_at(there, 0)
        peer.gets.send("GET", peer.target)
        await until(lambda: session.transport.is_writable)
        reply = await (await there.http(2)).get(peer.target)
        assert (reply.status, reply.json()) == (400, UNKNOWN)
        await peer.send('420["echo",1]')
        assert (await peer.gets.read()).body == b"430[[1]]"


# --- a carrier that is away -----------------------------------------------------------------------


@pytest.mark.slow
async def test_requests_are_refused_while_the_carrier_is_away_and_served_when_it_is_back() -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 1)
        asking = there.hubs[2].node
        there.broker.partition([])
        connection, second = await there.http(2), await there.http(2)
        await until(lambda: asking.seconds_since_heard > node.ECHO_INTERVAL)
        connection.send("GET", peer.target)
        reply = await connection.read()
        assert (reply.status, reply.header("retry-after")) == (503, str(RETRY_AFTER))
        connection.send("GET", peer.target)  # one finds out when it is back
        await until(lambda: asking.open_questions == 1)
        assert (await second.post(peer.target, b"3")).status == 503  # the others at once
        assert asking.open_questions == 1
        there.broker.partition()
        assert (await connection.read()).status == 503
        third = await there.http(2)
        assert (await third.post(peer.target, b"3")).status == 200


async def test_requests_are_refused_before_the_carrier_is_there(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(node, "JOIN_TIMEOUT", 0.05)
    adapter = MemoryAdapter(MemoryBroker(capabilities=CAPABILITIES))
    adapter.relay_driver = Unreachable(adapter.relay_driver.broker)
    server = Server(adapter=adapter, relay=True)
    async with server.listen(shutdown_timeout=0) as listener:
        connection = await RawHttp.connect("127.0.0.1", listener.port)
        reply = await connection.get(f"{TARGET}&sid=nobody5a61_OTO6GB_AA")
        assert (reply.status, reply.header("retry-after")) == (503, str(RETRY_AFTER))
        assert (await connection.get(TARGET)).status == 200
        await connection.close()
    assert "the others cannot find its sessions yet" in caplog.text


class Unreachable(MemoryDriver):
    """A carrier that is not there."""

    async def start(self) -> None:
        raise ConnectionRefusedError("nobody is there")


# --- messages that are lost, doubled, or lies -----------------------------------------------------


async def test_clients_notice_nothing_of_messages_that_come_twice() -> None:
    async with machines() as there:
        there.broker.faults = Faults(duplicates=1.0, delay=0.002)
        for transports in (("polling",), ("polling", "websocket")):
            async with connect(there.proxy.url, transports=transports) as socket:
                answers = [
                    await within(socket.emit_with_ack("echo", number)) for number in range(20)
                ]
                assert answers == [[number] for number in range(20)]
        assert there.proxy.statuses <= {101, 200}


def lose_next(there: Machines, machine: int, kind: int) -> asyncio.Event:
    """Lose the next message of a kind that a server sends; tells when it is lost."""
    driver = adapter_of(there.servers[machine]).relay_driver
    publish, lost = driver.publish, asyncio.Event()

    def publish_others(channel: str, message: bytes, **how: Any) -> None:
        is_it = channel.startswith("engine.io#") and msgspec.msgpack.decode(message)["type"] == kind
        if is_it and not lost.is_set():
            lost.set()
        else:
            publish(channel, message, **how)

    driver.publish = publish_others  # type: ignore[method-assign] # for this one only
    return lost


@pytest.mark.parametrize("is_up", [True, False])
async def test_hole_in_a_websocket_ends_it_on_both_sides(is_up: bool) -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        websocket = await upgrade_at(there, peer, 1)
        websocket.send('420["echo"]')
        assert await websocket.receive() == "430[[]]"
        machine, kind = (1, RelayType.PACKET) if is_up else (0, RelayType.DRAIN)
        lost = lose_next(there, machine, kind)
        websocket.send('421["echo"]')
        await within(lost.wait())
        websocket.send('422["echo"]')
        assert isinstance(await websocket.receive(), Closed)
        await until(lambda: not there.servers[0].engine.sessions)


async def test_post_that_is_lost_is_not_answered_as_if_it_had_come() -> None:
    async with machines(ping_interval=0.4, ping_timeout=0.2) as there:
        peer = await open_at(there, 0, 0, 2)
        lost = lose_next(there, 2, RelayType.POST)
        peer.posts.send("POST", peer.target, None, b'420["echo"]')
        await within(lost.wait())
        assert (await peer.posts.read()).status == 503


LIES: Final[list[bytes]] = [
    b"",
    b"{",
    b"\xc1",
    msgspec.msgpack.encode([1]),
    msgspec.msgpack.encode({"_source": "_eio"}),
    *(
        msgspec.msgpack.encode({"senderId": "liar", "_source": "_eio", **lie})
        for lie in (
            {"type": 0, "data": {"sid": 7}},
            {"type": 0, "data": {"sid": "x" * 10_000}},
            {"type": True, "data": {}},
            {"type": 1, "data": {"success": True}, "requestId": "1"},
            {"type": 2, "data": {"sid": "x", "packets": 10**9}},
            {"type": 3, "data": {"sid": "x", "packet": [1]}},
            {"type": 6, "data": []},
            {"type": 101, "data": {"sid": "x", "packets": [{"type": "none"}]}, "requestId": 1},
            {"type": 0, "data": {"sid": "x"}, "senderId": "a name that is none"},
            {"type": 0, "data": {"sid": "x"}, "senderId": "me", "recipientId": 7},
        )
    ),
]


async def test_messages_that_are_none_are_dropped_with_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        liar = there.broker.driver()
        for lie in LIES:
            liar.publish("engine.io#", lie)
        await peer.send('420["echo",1]')
        assert await peer.receive() == "430[[1]]"
        assert there.hubs[0].node.dropped > 5
    lines = [each for each in caplog.records if "about requests is dropped" in each.getMessage()]
    assert 0 < len(lines) < 3 * len(LIES)
    assert not [each for each in caplog.records if each.levelno > logging.WARNING]


async def test_nobody_but_the_owner_and_those_it_let_in_can_touch_a_session() -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        moved = await open_at(there, 0, 1, 2)
        websocket = await upgrade_at(there, moved, 1)
        websocket.send('420["echo"]')
        assert await websocket.receive() == "430[[]]"
        peer.gets.send("GET", peer.target)
        sessions = there.servers[0].engine.sessions
        await until(lambda: sessions[peer.sid].transport.is_writable)
        liar = there.broker.driver()
        text = {"type": "message", "data": '0["lie"]'}
        for sid in (peer.sid, moved.sid):
            for sender in ("liar", "swliar"):
                for type_, data in (
                    (RelayType.DRAIN, {"packets": [text], "n": 1}),
                    (RelayType.PACKET, {"packet": text, "n": 1}),
                    (RelayType.UPGRADE, {"success": True}),
                    (RelayType.CLOSE, {"reason": "transport close"}),
                    (RelayType.TAKEN, {"size": 10**12}),
                    (RelayType.RELEASE, {}),
                    (RelayType.ENDED, {"transport": "polling"}),
                    (RelayType.ENDED, {"transport": "websocket"}),
                    (RelayType.ACQUIRE_LOCK_RESPONSE, {"success": False}),
                    (RelayType.POST_RESPONSE, {"status": 400}),
                ):
                    message = {
                        "requestId": 1,
                        "senderId": sender,
                        "type": int(type_),
                        "data": {"sid": sid, **data},
                        "_source": "_eio",
                    }
                    liar.publish("engine.io#", msgspec.msgpack.encode(message))
        await moved_on(peer, websocket)


async def moved_on(peer: PollingPeer, websocket: RawWebSocket) -> None:
    """See that both sessions are as they were, and that nothing was heard."""
    websocket.send('421["echo"]')
    assert await websocket.receive() == "431[[]]"
    await peer.send('422["echo"]')
    assert (await peer.gets.read()).body == b"432[[]]"


# --- how much -------------------------------------------------------------------------------------


async def test_post_waits_while_its_session_does_not_read() -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        session = session_at(there, 0)
        session.pause_reading()
        peer.posts.send("POST", peer.target, None, b'420["echo"]')
        await until(lambda: there.hubs[2].relayed == 2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(peer.posts.reader.read(1), 0.1)
        session.resume_reading()
        assert (await peer.posts.read()).body == b"ok"
        assert await peer.receive() == "430[[]]"


async def test_body_over_the_limit_is_refused_where_it_comes_and_ends_the_session() -> None:
    async with machines(max_payload=100_000) as there:
        peer = await open_at(there, 0, 1, 2)
        assert (await peer.post(b"4" + b"x" * 100_000)).status == 413
        await until(lambda: not there.servers[0].engine.sessions)


async def test_too_many_packets_are_refused_and_end_the_session() -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        assert (await peer.post("\x1e".join(["3"] * 200_000))).status == 413
        await until(lambda: not there.servers[0].engine.sessions)


async def test_what_is_no_packet_ends_the_session_behind_what_came_before() -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        heard: list[int] = []
        (socket,) = there.servers[0].sockets.values()
        socket.on("heard", heard.append)
        assert (await peer.post('42["heard",1]\x1e9')).body == b"ok"
        await until(lambda: not there.servers[0].engine.sessions)
        assert heard == [1]


async def test_rate_limits_hold_for_what_comes_by_others() -> None:
    async with machines(rate_limits=RateLimits(session_packets=0.01, burst=1000)) as there:
        peer = await open_at(there, 0, 1, 2)
        reply = await peer.post("\x1e".join(['42["x"]'] * 50))
        assert (reply.status, reply.json()["code"]) == (429, 429)
        assert not there.servers[0].engine.sessions


async def test_client_that_does_not_read_holds_back_its_owner() -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        websocket = await upgrade_at(there, peer, 1)
        websocket.send('420["echo"]')
        assert await websocket.receive() == "430[[]]"
        session = session_at(there, 0)
        websocket.http.writer.transport.pause_reading()  # type: ignore[attr-defined] # it can
        for _ in range(100):
            session.send(bytes(100_000))
        await until(lambda: not session.transport.is_writable)
        carried = there.broker.carried
        assert session.transport.buffered() <= WINDOW + 2 * 256 * 1024
        assert session.backlog > 5_000_000
        websocket.http.writer.transport.resume_reading()  # type: ignore[attr-defined] # likewise
        for _ in range(100):
            assert await websocket.receive() == bytes(100_000)
        assert there.broker.carried > carried
        await until(lambda: session.backlog <= WINDOW)


async def test_what_a_client_does_not_take_is_in_the_account_of_the_server_that_relays() -> None:
    limits = Limits(process_backlog=300_000)
    async with machines(limits=limits) as there:
        peer = await open_at(there, 0, 1, 2)
        websocket = await upgrade_at(there, peer, 1)
        websocket.send('420["echo"]')
        assert await websocket.receive() == "430[[]]"
        websocket.http.writer.transport.pause_reading()  # type: ignore[attr-defined] # it can
        session = session_at(there, 0)
        while there.servers[0].engine.sessions:  # until one of the two servers has enough
            session.send(bytes(20_000))
            await asyncio.sleep(0.002)
        await until(lambda: not there.servers[1].engine.driver.backlog)


async def test_session_that_does_not_read_holds_back_the_websocket_of_its_client() -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        websocket = await upgrade_at(there, peer, 1)
        websocket.send('420["echo"]')
        assert await websocket.receive() == "430[[]]"
        session = session_at(there, 0)
        session.pause_reading()
        for number in range(100):
            websocket.send(f'42{number}["echo","{"x" * 100_000}"]')
        await until(lambda: websocket.http.writer.transport.get_write_buffer_size() > 1_000_000)
        assert there.broker.carried < 200
        session.resume_reading()
        for number in range(100):
            answer = await websocket.receive()
            assert isinstance(answer, str) and answer.startswith(f"43{number}[")


async def test_a_thousand_polls_wait_at_other_servers_and_all_are_answered() -> None:
    async with machines(ping_interval=300.0) as there:
        peers = [await open_at(there, n % 3, (n + 1) % 3, (n + 2) % 3) for n in range(1_000)]
        for number, peer in enumerate(peers):  # on new connections: idle ones are closed
            peer.gets = await there.http((number + 1) % 3)
            peer.gets.send("GET", peer.target)
        sessions = [each for server in there.servers for each in server.engine.sessions.values()]
        await until(lambda: all(session.transport.is_writable for session in sessions))
        there.servers[0].emit("news", 1)
        for peer in peers:
            assert (await peer.gets.read()).body == b'42["news",1]'


# --- servers that stop ----------------------------------------------------------------------------


async def test_server_that_stops_lets_the_clients_of_others_go_with_nothing_lost() -> None:
    async with machines() as there:
        peer = await open_at(there, 0, 1, 2)
        peer.gets.send("GET", peer.target)
        session = session_at(there, 0)
        await until(lambda: session.transport.is_writable)
        await there.servers[1].close()
        reply = await peer.gets.read()
        assert (reply.status, reply.body, reply.header("connection")) == (200, b"6", "close")
        peer.gets = await there.http(2)
        await peer.send('420["echo",1]')
        assert await peer.receive() == "430[[1]]"


async def test_server_may_begin_again_in_the_same_loop() -> None:
    async with machines(count=2) as there:
        adapter_of(there.servers[0]).is_lasting = True
        await there.servers[0].close()
        async with there.servers[0].listen(shutdown_timeout=0) as listener:
            first = await (await there.http(1)).get(TARGET)
            there.ports[0] = listener.port
            peer = PollingPeer(await there.http(0), await there.http(1), TARGET, first)
            await peer.connect()


@pytest.mark.unix
@pytest.mark.slow
def test_server_begins_anew_in_another_loop_and_forgets_what_was_open() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.relaying.two_loops"],
        capture_output=True,
        timeout=DEADLINE,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "served\n"), done.stderr
