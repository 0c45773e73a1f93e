"""Requests of one session at the same time, and at the wrong time: rows D23 and D24."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.raw import Closed, RawHttp, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target
    from tests.support.fronts import Wire
    from tests.support.raw import PollingPeer, RawWebSocket

UNKNOWN = {"code": 1, "message": "Session ID unknown"}
BAD_REQUEST = {"code": 3, "message": "Bad request"}


async def answer(http: RawHttp) -> Reply | None:
    """What comes on a connection; None when it is cut."""
    try:
        return await http.read()
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def statuses(https: list[RawHttp]) -> Counter[tuple[int, bytes]]:
    """Status and body of the answer on each connection."""
    replies = await asyncio.gather(*[http.read() for http in https])
    return Counter((reply.status, reply.body) for reply in replies)


@pytest.mark.parametrize("count", [2, 100])
async def test_d23_polls_at_once_end_the_session(
    front: str, targets: Callable[..., Target], count: int
) -> None:
    async with targets(front).attack() as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        others = [await attack.wire.http() for _ in range(count)]
        for http in others:
            http.send("GET", peer.target)
        unknown = b'{"code":1,"message":"Session ID unknown"}'
        expected = Counter({(200, b"1"): 1, (400, b""): 1, (400, unknown): count - 2})
        assert await statuses(others) == +expected
        await peer.ended()


async def test_d23_polls_behind_each_other_end_the_session(
    native: str, targets: Callable[..., Target]
) -> None:
    """On one connection; a host of ASGI hands the second one over when the first is answered."""
    async with targets(native).attack() as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        peer.gets.write(f"GET {peer.target} HTTP/1.1\r\nHost: a\r\n\r\n".encode() * 2)
        assert (await peer.gets.read())[::2] == (200, b"1")
        assert (await peer.gets.read())[::2] == (400, b"")
        await peer.ended()


@pytest.mark.parametrize("count", [2, 100])
async def test_d23_posts_at_once_end_the_session(
    front: str, targets: Callable[..., Target], count: int
) -> None:
    async with targets(front).attack() as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        peer.gets.send("GET", peer.target)
        others = [await attack.wire.http() for _ in range(count)]
        for http in others:
            http.send("POST", peer.target, {"Content-Length": "50"}, b'42["echo",')
        replies = await asyncio.gather(*map(answer, others))
        # The one that was first is cut off, which ASGI can do by an answer only.
        assert {reply.status for reply in replies if reply is not None} == {400}
        assert sum(reply is None for reply in replies) == (front == "native")
        assert (await peer.gets.read()).body == b"1"
        await peer.ended()


async def test_d23_poll_of_a_closed_session_is_unknown(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        peer.gets.send("GET", peer.target)
        await peer.send("1")
        assert (await peer.gets.read()).body in (b"6", b"1")
        for _ in range(3):
            reply = await peer.poll()
            assert (reply.status, reply.json()) == (400, UNKNOWN)
            reply = await (await attack.wire.http()).post(peer.target, '42["echo"]')
            assert (reply.status, reply.json()) == (400, UNKNOWN)


async def probed(wire: Wire, peer: PollingPeer) -> RawWebSocket:
    """A second transport of a session, on trial."""
    websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    return websocket


async def test_d24_post_during_the_upgrade_is_taken(
    front: str, targets: Callable[..., Target]
) -> None:
    """As in the reference: until its `5` a client pushes and polls as before."""
    async with targets(front).attack(runs=Counter(echo=2)) as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        websocket = await probed(attack.wire, peer)
        await peer.send('421["echo",1]')
        websocket.send("5")
        assert await websocket.receive() == "431[1]"
        websocket.send('422["echo",2]')
        assert await websocket.receive() == "432[2]"
        await websocket.close()


async def test_d24_post_that_is_under_way_at_the_upgrade_is_cut(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack(runs=Counter(echo=1)) as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        peer.posts.send("POST", peer.target, {"Content-Length": "50"}, b'42["echo",')
        websocket = await probed(attack.wire, peer)
        websocket.send("5")
        reply = await answer(peer.posts)
        assert reply is None if front == "native" else reply is not None and reply.status == 400
        websocket.send('422["echo",2]')
        assert await websocket.receive() == "432[2]"
        await websocket.close()


async def test_d24_nothing_but_the_websocket_reaches_an_upgraded_session(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack(runs=Counter(echo=1)) as attack:
        wire = attack.wire
        peer = await wire.open_polling()
        await peer.connect()
        websocket = await probed(attack.wire, peer)
        websocket.send("5")
        no_upgrade = wire.target("websocket", sid=peer.sid)
        websocket.send('421["echo",1]')
        assert await websocket.receive() == "431[1]"
        for reply in (
            await peer.poll(),
            await (await wire.http()).post(peer.target, '42["echo"]'),
            await wire.get(no_upgrade),
            await (await wire.http()).post(no_upgrade, '42["echo"]'),
        ):
            assert (reply.status, reply.json()) == (400, BAD_REQUEST)
        second = await wire.websocket(no_upgrade)
        assert (await second.closed()).code != 1006
        websocket.send("2")  # the wrong way round: it is still there to be ended
        assert isinstance(await websocket.receive(), Closed)
        assert await websocket.http.is_closed()


@pytest.mark.parametrize("session", ["none", "polling", "websocket"])
async def test_d24_websocket_without_an_upgrade_is_refused(
    front: str, targets: Callable[..., Target], session: str
) -> None:
    runs = Counter({"echo": 1} if session != "none" else {})
    async with targets(front).attack(runs=runs) as attack:
        wire = attack.wire
        query = {}
        if session != "none":
            peer = await wire.open(session)
            await peer.connect()
            query["sid"] = peer.sid
        for method in ("GET", "POST", "PUT", "HEAD"):
            reply = await wire.request(method, wire.target("websocket", **query))
            assert reply.status == 400, (method, reply)
        if session != "none":
            await peer.send('421["echo",1]')
            assert await peer.receive() == "431[1]"
            await peer.send("1")
