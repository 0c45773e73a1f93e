"""Two processes of one host: each request of these clients comes to the wrong one, or may."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Cors, Server
from sockwave.adapters import WorkersAdapter
from sockwave.platform import unix_socket
from sockwave.workers import neighbours
from sockwave.workers.identity import prefix_of
from sockwave.workers.link import HEARD, Link
from sockwave.workers.numbers import Claim, relay_path
from tests.support.apps import ends_of
from tests.support.fronts import FRONTS
from tests.support.raw import Closed, PollingPeer, RawWebSocket, WebSocketPeer, until, within
from tests.workers.doors import InTurn, doors, joined_server, router_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.raw import Peer
    from tests.workers.doors import Doors

pytestmark = pytest.mark.unix

BIG = "ä" * 200_000
UNKNOWN = {"code": 1, "message": "Session ID unknown"}


@pytest.fixture(params=["wrapped", "mounted"])
def front(request: pytest.FixtureRequest) -> str:
    front: str = request.param
    return front


async def echoes(peer: Peer) -> None:
    """Text and binary come back, as events and as acknowledgements."""
    await peer.send('421["echo","grüße",[1,null]]')
    assert {await peer.receive(), await peer.receive()} == {
        '42["echo","grüße",[1,null]]',
        '431["grüße",[1,null]]',
    }
    await peer.send('451-["echo",{"_placeholder":true,"num":0}]', b"\x00\xff" * 5_000)
    assert await peer.receive() == '451-["echo",{"_placeholder":true,"num":0}]'
    assert await peer.receive() == b"\x00\xff" * 5_000


async def upgraded(two: Doors, peer: PollingPeer, **headers: str) -> WebSocketPeer:
    """Move to a WebSocket by the wrong door."""
    websocket = await two.websocket(peer, **headers)
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    assert (await peer.poll()).text == "6"
    websocket.send("5")
    return WebSocketPeer(websocket, f'0{{"sid":"{peer.sid}"}}')


# --- whatever comes, wherever ---------------------------------------------------------------------


async def test_polls_and_posts_find_their_session(tmp_path: Path, front: str) -> None:
    async with doors(tmp_path, front) as two:
        peer = await two.open_polling()
        await peer.connect()
        for _ in range(3):
            await echoes(peer)
        assert router_of(two.two).relayed >= 6
        assert not router_of(two.one).relayed


async def test_session_moves_to_a_websocket_at_the_wrong_door(tmp_path: Path, front: str) -> None:
    async with doors(tmp_path, front) as two:
        peer = await two.open_polling()
        await peer.connect()
        moved = await upgraded(two, peer)
        for _ in range(3):
            await echoes(moved)
        assert two.one.engine.sessions[peer.sid].transport.name == "websocket"


async def test_large_bodies_go_both_ways(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        await peer.connect()
        event = json.dumps(["echo", BIG], ensure_ascii=False, separators=(",", ":"))
        for _ in range(2):
            await peer.send("42" + event)
            assert await peer.receive() == "42" + event
        moved = await upgraded(two, peer)
        await moved.send("42" + event)
        assert await moved.receive() == "42" + event


async def test_body_over_the_limit_is_refused_by_the_owner(tmp_path: Path) -> None:
    async with doors(tmp_path, max_payload=1_000) as two:
        peer = await two.open_polling()
        await peer.connect()
        reply = await peer.post("4" + "x" * 2_000_000)
        assert reply.status == 413
        assert (await peer.poll()).status in (200, 400)
        await until(lambda: not two.one.engine.sessions)


async def test_chunked_body_is_carried_as_it_comes(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        http = await two.second.http()
        http.send("POST", peer.target, {"Transfer-Encoding": "chunked"}, b"1\r\n4\r\n")
        await until(lambda: router_of(two.one).answering == 1)
        http.write(b"1\r\n0\r\n0\r\n\r\n")
        assert (await http.read()).body == b"ok"
        assert (await peer.receive()).startswith('40{"sid":')  # type: ignore[arg-type]


async def test_old_clients_are_served_too(tmp_path: Path) -> None:
    async with doors(tmp_path, allow_eio3=True) as two:
        target = two.first.target("polling", "3")
        first = await two.first.get(target)
        packet = first.body.partition(b":")[2]
        sid = json.loads(packet[1 : packet.index(b"}") + 1])["sid"]
        gets, posts = await two.in_turn(), await two.in_turn()
        target += f"&sid={sid}"
        for _ in range(4):
            reply = await posts.post(target, '12:42["echo",1]')
            assert reply.body == b"ok"
            while b'42["echo",1]' not in (reply := await gets.get(target)).body:
                assert reply.status == 200
        websocket = await two.second.websocket(two.second.target("websocket", "3", sid=sid))
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"


# --- one server -----------------------------------------------------------------------------------


async def test_rooms_and_broadcasts_reach_clients_of_both(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        peers: list[Peer] = [await two.open_polling(), await two.second.open_websocket()]
        for peer in peers:
            await peer.connect()
        assert await two.one.server_count() == 2
        assert await two.two.in_("all").count() == 2
        for io in (two.one, two.two):
            io.to("all").emit("news", b"\x01")
            for peer in peers:
                assert await peer.receive() == '451-["news",{"_placeholder":true,"num":0}]'
                assert await peer.receive() == b"\x01"


async def test_ids_tell_their_process_and_nothing_else(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        ones = {(await two.first.open_polling()).sid for _ in range(5)}
        others = {(await two.second.open_polling()).sid for _ in range(5)}
        assert len(ones | others) == 10
        assert {len(sid) for sid in ones | others} == {20}
        assert {sid[:2] for sid in ones} == {prefix_of(0)}
        assert {sid[:2] for sid in others} == {prefix_of(1)}


async def test_ids_of_the_application_get_the_number_in_front(tmp_path: Path) -> None:
    async with doors(tmp_path, generate_id=lambda request: "ä/b c") as two:
        target = two.first.target("polling")
        sid = json.loads((await two.first.get(target)).body[1:])["sid"]
        assert sid == prefix_of(0) + "ä/b c"
        reply = await two.second.request("POST", two.second.target("polling", sid=sid), body=b"40")
        assert (reply.status, reply.body) == (200, b"ok")


@pytest.mark.parametrize("sid", ["zzabcdefghijklmnopqr", "A", "__", "%41%41abc", "ABshort"])
async def test_forged_id_finds_no_session(tmp_path: Path, sid: str) -> None:
    async with doors(tmp_path) as two:
        for wire in (two.first, two.second):
            for transport in ("polling", "websocket"):
                target = f"{wire.path}?EIO=4&transport={transport}&sid={sid}"
                if transport == "polling":
                    assert (await wire.get(target)).json() == UNKNOWN
                else:
                    reply = await wire.upgrade(target)
                    assert (reply.status, reply.text) == (400, "Session ID unknown")


async def test_owner_sees_the_client_as_it_came(tmp_path: Path) -> None:
    seen: list[Any] = []
    async with doors(tmp_path, trusted_proxies=["unix"]) as two:
        peer = await two.open_polling()

        @two.one.engine.use
        def look(request: Any) -> None:
            seen.append(
                (request.client, request.is_secure, request.headers["x-word"], request.cookies)
            )

        http = await two.second.http()
        headers = {"X-Word": "grüße", "Cookie": "a=b", "X-Forwarded-For": "192.0.2.1"}
        await http.request("POST", peer.target, headers, b"40")
        own = http.writer.get_extra_info("sockname")
        await two.second.websocket(two.second.target("websocket", sid=peer.sid), X_Word="2")
        assert seen[0] == (tuple(own[:2]), False, "grüße", {"a": "b"})
        assert seen[1][0][0] == "127.0.0.1"
        assert seen[1][2] == "2"


async def test_headers_of_the_answer_are_the_owners(tmp_path: Path) -> None:
    cors = Cors(origin=["https://example.com"], credentials=True)
    async with doors(tmp_path, cors=cors) as two:

        @two.one.engine.on("headers")
        def mark(headers: list[tuple[str, str]], request: Any) -> None:
            headers.append(("Set-Cookie", "door=one"))

        peer = await two.open_polling()
        for _ in range(2):
            reply = await peer.post("40", Origin="https://example.com")
            assert reply.header("access-control-allow-origin") == "https://example.com"
            assert reply.header("set-cookie") == "door=one"


async def test_subprotocol_is_chosen_by_the_owner(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        http = await two.second.http()
        target = two.second.target("websocket", sid=peer.sid)
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol": "one, two",
        }
        reply = await http.request("GET", target, headers)
        assert reply.status == 101
        assert reply.header("sec-websocket-protocol") == "one"


async def test_refused_upgrade_is_answered_by_the_owner(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        target = two.second.target("websocket", sid=peer.sid)
        reply = await two.second.upgrade(target, Origin="https://evil.example")
        assert (reply.status, reply.text) == (403, "Forbidden")


# --- ends -----------------------------------------------------------------------------------------


async def test_close_code_of_either_side_reaches_the_other(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        ends = ends_of(two.one)
        peers = [await two.open_polling() for _ in range(2)]
        moved = []
        for peer in peers:
            await peer.connect()
            moved.append(await upgraded(two, peer))
        await moved[0].websocket.close(4_321)
        await until(lambda: ends)
        assert ends == [("transport close", "peer closed with 4321")]
        two.one.disconnect_sockets(close=True)
        assert await moved[1].websocket.closed() == Closed(1000)


async def test_client_that_goes_in_the_middle_of_a_poll_is_gone(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        http = await two.second.http()
        http.send("GET", peer.target)
        await until(lambda: router_of(two.one).answering == 1)
        http.reset()
        await until(lambda: not two.one.engine.sessions)


async def test_client_that_goes_in_the_middle_of_a_body_is_gone(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        http = await two.second.http()
        http.send("POST", peer.target, {"Content-Length": "100"})
        http.write(b"4")
        await until(lambda: router_of(two.one).answering == 1)
        http.reset()
        await until(lambda: not two.one.engine.sessions)


async def test_client_that_loses_its_websocket_is_gone(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        await peer.connect()
        moved = await upgraded(two, peer)
        moved.websocket.http.reset()
        await until(lambda: not two.one.engine.sessions)


async def test_messages_wait_for_who_does_not_take_them(tmp_path: Path) -> None:
    """What a client sends waits where it came in, and beyond, while its session reads nothing."""
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        await peer.connect()
        moved = await upgraded(two, peer)
        await until(lambda: two.one.engine.sessions[peer.sid].transport.name == "websocket")
        transport = two.one.engine.sessions[peer.sid].transport
        transport.pause_reading()
        message = "x" * 100_000
        for _ in range(300):
            moved.websocket.send(f'42["echo","{message}"]')
        writer = moved.websocket.http.writer
        with pytest.raises(TimeoutError):  # 30 MB are more than all buffers on the way
            async with asyncio.timeout(0.2):
                await writer.drain()
        transport.resume_reading()
        for _ in range(300):
            assert await moved.receive() == f'42["echo","{message}"]'


async def test_client_that_does_not_read_holds_its_session_back(tmp_path: Path) -> None:
    async with doors(tmp_path, max_backlog=1_000_000) as two:
        peer = await two.open_polling()
        await peer.connect()
        moved = await upgraded(two, peer)
        session = two.one.engine.sessions[peer.sid]
        await until(lambda: session.transport.name == "websocket")
        moved.websocket.http.writer.transport.pause_reading()  # type: ignore[attr-defined]
        while session.id in two.one.engine.sessions:
            two.one.emit("flood", "x" * 100_000)
            await asyncio.sleep(0)


# --- others that are gone, or say nothing ---------------------------------------------------------


async def test_session_of_a_dead_process_is_unknown_at_once(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        dead = Claim(str(tmp_path / "run"))
        path = relay_path(dead.directory, dead.number)
        dead.release()
        for leaves_socket in (False, True):
            if leaves_socket:
                with unix_socket("stream") as sock:
                    sock.bind(path)
            sid = prefix_of(dead.number) + "abcdefghijklmnopqr"
            reply = await two.first.get(two.first.target("polling", sid=sid))
            assert reply.json() == UNKNOWN
            reply = await two.first.upgrade(two.first.target("websocket", sid=sid))
            assert (reply.status, reply.text) == (400, "Session ID unknown")


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_process_that_says_nothing_is_waited_for_for_a_while(
    tmp_path: Path, transport: str
) -> None:
    """It takes connections, as the system does for one that is stopped."""
    async with doors(tmp_path) as two:
        io = joined_server(tmp_path / "run")
        io._neighbours.heard = 0.05  # type: ignore[union-attr]
        stopped = Claim(str(tmp_path / "run"))
        async with FRONTS["wrapped"].serve(io) as wire:
            sid = prefix_of(stopped.number) + "abcdefghijklmnopqr"
            target = wire.target(transport, sid=sid)
            reply = await (wire.get(target) if transport == "polling" else wire.upgrade(target))
            assert reply.status == 503
            assert reply.header("retry-after")
            assert not router_of(io).carrying
        stopped.release()
        assert two.one.engine.clients_count == 0


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_process_that_hears_and_does_not_answer_is_waited_for_for_a_while(
    tmp_path: Path, transport: str
) -> None:
    async with doors(tmp_path) as two:
        stuck = Claim(str(tmp_path / "run"))
        router = router_of(two.one)
        router._patience = replace(router._patience, answer=0.05)
        sid = prefix_of(stuck.number) + "abcdefghijklmnopqr"
        target = two.first.target(transport, sid=sid)
        http = await two.first.http()
        headers = {} if transport == "polling" else RawWebSocket.request_headers()
        http.send("GET", target, headers)
        loop = asyncio.get_running_loop()
        sock, _ = await within(loop.sock_accept(stuck.listening))
        _, link = await loop.connect_accepted_socket(Link, sock)
        scope = await within(link.receive())
        assert scope["query_string"].endswith(sid.encode())
        await link.send({"type": HEARD})
        assert (await http.read()).status == 503
        while await within(link.receive()) is not None:
            pass  # what had come of the request
        stuck.release()


async def test_process_that_dies_in_the_middle_leaves_nobody_waiting(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        dying = Claim(str(tmp_path / "run"))
        loop = asyncio.get_running_loop()
        sid = prefix_of(dying.number) + "abcdefghijklmnopqr"
        http = await two.first.http()
        http.send("GET", two.first.target("polling", sid=sid))
        sock, _ = await within(loop.sock_accept(dying.listening))
        sock.close()
        dying.release()
        assert (await http.read()).json() == UNKNOWN


async def test_websocket_of_a_process_that_dies_is_closed(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        await peer.connect()
        moved = await upgraded(two, peer)
        (task,) = router_of(two.one)._requests._tasks  # type: ignore[union-attr]
        task.cancel()
        assert await moved.websocket.closed() == Closed(1001)


async def test_process_that_stops_ends_what_it_carries_for_others(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        await peer.connect()
        moved = await upgraded(two, peer)
        other = await two.open_polling()
        http = await two.second.http()
        http.send("GET", other.target)
        await until(lambda: router_of(two.two).carrying == 2)
        await two.two.close()
        assert (await moved.websocket.closed()).code == 1001
        assert (await http.read()).status == 503
        await two.second.get("/elsewhere")  # it begins again with the next request of its own
        reply = await two.second.get(two.second.target("polling"))
        assert reply.status == 200


async def test_who_comes_while_the_server_leaves_has_to_come_again(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        http = await two.second.http()
        http.send("POST", peer.target, {"Content-Length": "100"})  # which keeps it for a moment
        await until(lambda: router_of(two.one).answering == 1)
        closing = asyncio.create_task(two.one.close(shutdown_timeout=0))
        while not closing.done():
            reply = await two.first.get(two.first.target("polling"))
            assert reply.status in (200, 503)
        assert not two.one.engine.sessions
        late = await two.open_polling()
        await late.connect()


async def test_last_words_reach_clients_at_the_wrong_door(tmp_path: Path) -> None:
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        await peer.connect()
        http = await two.second.http()
        http.send("GET", peer.target)
        await until(lambda: router_of(two.one).answering == 1)
        await two.one.close()
        assert (await http.read()).text.endswith("1")


async def test_last_events_have_a_poll_of_their_own(tmp_path: Path) -> None:
    """JavaScript clients that get the goodbye along with events handle these once more when they
    come back, to another process, as who they were."""
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        await peer.connect()
        await until(lambda: len(two.one.cluster.nodes) == 2)
        await peer.post('42["echo",1]')
        session = two.one.engine.sessions[peer.sid]
        closing = asyncio.create_task(two.one.close())
        await until(lambda: not session.is_open)
        assert (await peer.poll()).text == '42["echo",1]'
        assert (await peer.poll()).text in ("1", "6\x1e1")
        await closing


# --- lives ----------------------------------------------------------------------------------------


async def test_server_begins_again_in_the_same_loop(tmp_path: Path) -> None:
    one, two = joined_server(tmp_path), joined_server(tmp_path)
    for _ in range(2):
        async with FRONTS["wrapped"].serve(one) as first, FRONTS["wrapped"].serve(two) as second:
            target = first.target("polling")
            reply = await first.get(target)
            gets = InTurn(await second.http(), await first.http())
            posts = InTurn(await second.http(), await first.http())
            await PollingPeer(gets, posts, target, reply).connect()
            await (await second.open_websocket()).connect()
            assert await two.in_("all").count() == 2
        assert {name.rpartition(".")[2] for name in os.listdir(tmp_path)} == {"lock"}


def test_server_begins_again_in_another_loop(tmp_path: Path) -> None:
    one, two = joined_server(tmp_path), joined_server(tmp_path)

    async def life() -> None:
        async with FRONTS["wrapped"].serve(one) as first, FRONTS["wrapped"].serve(two) as second:
            target = first.target("polling")
            reply = await first.get(target)
            gets, posts = await second.http(), await second.http()
            await PollingPeer(gets, posts, target, reply).connect()
            await (await second.open_websocket()).connect()
            assert await two.in_("all").count() == 2

    for _ in range(2):
        asyncio.run(within(life()))


def test_loop_that_ends_without_a_word_leaves_its_number(tmp_path: Path) -> None:
    io = joined_server(tmp_path)

    async def life() -> str:
        io.engine.driver.bind()
        return io.engine.id_prefix

    async def end() -> None:
        await io.close()

    assert asyncio.run(life()) == prefix_of(0)
    assert asyncio.run(life()) == prefix_of(0)
    asyncio.run(end())


def test_sessions_of_a_loop_that_ends_without_a_word_are_over(tmp_path: Path) -> None:
    io = joined_server(tmp_path)

    async def life() -> bytes:
        answer: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            answer.append(message)

        scope = {"type": "http", "method": "GET", "path": "/socket.io/", "headers": []}
        await io({**scope, "query_string": b"EIO=4&transport=polling"}, receive, send)
        body: bytes = answer[1]["body"]
        return body

    bodies = [asyncio.run(life()) for _ in range(2)]
    assert all(body.startswith(b'0{"sid":"AA') for body in bodies)
    asyncio.run(io.close())


async def test_nothing_leaks(tmp_path: Path) -> None:
    """Connections, tasks, over requests that end in each way."""
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        await peer.connect()
        target = two.second.target("websocket", sid=peer.sid)

        async def rounds(count: int) -> None:
            for _ in range(count):
                await peer.send('420["ask"]')
                assert await peer.receive() == "430[]"
                gone = await two.second.websocket(target)
                gone.http.reset()
                other = await two.open_polling()
                http = await two.second.http()
                http.send("GET", other.target)
                await until(lambda: router_of(two.one).answering)
                http.reset()
            one, other_one = router_of(two.one), router_of(two.two)
            await until(lambda: not one.answering and not other_one.carrying)

        await rounds(3)
        sockets = sockets_in(str(tmp_path / "run"))
        await rounds(30)
        await until(lambda: sockets_in(str(tmp_path / "run")) <= sockets)


async def test_directory_of_others_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.chmod(tmp_path, 0o755)
    io = Server(adapter=WorkersAdapter(tmp_path))
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        said.append(message)

    await io({"type": "lifespan"}, receive, send)
    assert [message["type"] for message in said] == ["lifespan.startup.failed"]
    assert "its mode must be 0700" in said[0]["message"]
    assert "its mode must be 0700" in caplog.text
    with pytest.raises(PermissionError):
        io.engine.driver.bind()


def test_each_server_needs_an_adapter_of_its_own(tmp_path: Path) -> None:
    adapter = WorkersAdapter(tmp_path)
    io = Server(adapter=adapter)
    with pytest.raises(ValueError, match="of its own"):
        Server(adapter=adapter)
    assert io.adapter is not None


@pytest.mark.parametrize("front", ["native", "hosted"])
async def test_our_own_listener_hands_connections_over(tmp_path: Path, front: str) -> None:
    async with doors(tmp_path, front) as two:
        peer = await two.open_polling()
        await peer.connect()
        for _ in range(3):
            await echoes(peer)
        assert router_of(two.two).handed_over
        if front == "hosted":  # the connection is the first one's now, and its application's
            way = peer.gets
            assert isinstance(way, InTurn)
            for _ in range(2):
                assert (await way.get("/page")).text == "hello /page"
        await echoes(await upgraded(two, peer))


async def test_hosts_need_no_connections_to_be_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS, where only our own listener is without."""
    monkeypatch.setattr(neighbours, "has_unix_packets", lambda: False)
    async with doors(tmp_path) as two:
        peer = await two.open_polling()
        await peer.connect()
        await echoes(peer)
    async with doors(tmp_path, "native") as two:
        assert (await (await two.open_polling()).post("40")).json() == UNKNOWN


async def test_number_of_a_dead_process_that_another_one_has_is_reached(tmp_path: Path) -> None:
    """Who keeps a connection to a process finds out that its number has a new owner."""
    async with doors(tmp_path, "native") as two:
        target = two.second.target("polling")
        for _ in range(2):
            io = joined_server(tmp_path / "run")
            async with FRONTS["native"].serve(io) as third:
                reply = await third.get(target)
                ways = [await two.second.http() for _ in range(2)]
                peer = PollingPeer(ways[0], ways[1], target, reply)
                assert peer.sid.startswith(prefix_of(2))
                await peer.connect()


def sockets_in(directory: str) -> int:
    """Unix sockets in a directory, connections included, as Linux tells."""
    with open("/proc/net/unix") as file:
        return sum(directory in line for line in file)
