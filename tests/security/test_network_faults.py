"""Networks that lose, stall, reset and move connections, and proxies that interfere (F16 to F19).

Server and honest clients are judged as under an attack, while a client of ours, or bare
connections, reach the same server through a network that fails.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import connect
from sockwave.testing import FaultProxy, HttpFaultProxy
from tests.security.settings import FAULTY
from tests.support.fronts import Wire
from tests.support.raw import RawWebSocket, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sockwave import ClientSocket
    from sockwave.testing.http_fault_proxy import WebSocketFault
    from sockwave.types import TransportName
    from tests.security.judge import Attack, Target

SOON: Final[dict[str, Any]] = {
    "reconnection_delay": 0.05,
    "reconnection_delay_max": 0.1,
    "close_timeout": 0.2,
}
CLIENTS: Final = 10
BREATHING: Final = 6
"""What the honest clients' own traffic makes a count vary by; fewer than `CLIENTS`."""
SILENCE: Final = FAULTY["ping_interval"] + FAULTY["ping_timeout"] + 1.0
"""Seconds until a dead connection is closed and freed (F16)."""
MARGIN: Final = 20.0
"""What a slow machine may take longer."""


@asynccontextmanager
async def behind(
    proxy: FaultProxy, **options: Any
) -> AsyncIterator[tuple[ClientSocket, asyncio.Queue[str]]]:
    """A client behind a proxy, and the reasons of its losses."""
    lost: asyncio.Queue[str] = asyncio.Queue()
    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    async with connect(proxy.url, **{**SOON, **options}) as socket:
        socket.on("disconnect", lambda reason: lost.put_nowait(reason))
        yield socket, lost
    assert not problems, problems


async def echo(socket: ClientSocket, attack: Attack, count: int = 20) -> None:
    """Ask so often and be answered, in order."""
    answers = await asyncio.gather(
        *(socket.emit_with_ack("echo", number, timeout=40) for number in range(count))
    )
    assert answers == list(range(count))
    attack.runs["echo"] += count


# --- F16: connections that die in silence, or by a reset ------------------------------------------


async def assert_freed(target: Target, before: dict[str, int]) -> None:
    """All counts go back within the time that the row gives.

    A WebSocket server such as uvicorn waits on for the end of a connection that we have closed: its
    pings find out, or else its own time-outs do. Its descriptors are its affair.
    """
    names = set(before) - ({"descriptors"} if target.front == "asgi" else set())
    now: dict[str, int] = {}
    deadline = asyncio.get_running_loop().time() + SILENCE + MARGIN
    while any(now.get(name, 1_000) > before[name] + BREATHING for name in names):
        now = await target.do("counts")
        left = {name: now[name] for name in names if now[name] > before[name]}
        assert asyncio.get_running_loop().time() < deadline, left
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("is_end_lost", [False, True], ids=["half-open", "end lost"])
async def test_f16_connections_that_die_in_silence_are_closed_and_freed(
    front: str, targets: Callable[..., Target], transport: str, is_end_lost: bool
) -> None:
    target = targets(front, **FAULTY)
    async with FaultProxy("127.0.0.1", target.port) as proxy:
        async with target.attack() as attack:
            before = await target.do("counts")
            wire = Wire("127.0.0.1", proxy.port, attack.wire.path)
            for _ in range(CLIENTS):
                await (await wire.open(transport)).connect()
            if is_end_lost:
                proxy.to_server.stall()
                await wire.aclose()
            else:
                proxy.stall()
            await assert_freed(target, before)
            assert proxy.connections >= CLIENTS  # nothing has come through meanwhile
            proxy.reset()
            await wire.aclose()


async def test_f16_client_gives_a_dead_connection_up_and_comes_back(
    front: str, targets: Callable[..., Target], transport: TransportName
) -> None:
    target = targets(front, **FAULTY)
    async with target.attack(settle=10 * SILENCE) as attack:
        async with FaultProxy("127.0.0.1", target.port) as proxy:
            async with behind(proxy, transports=[transport]) as (socket, lost):
                news = socket.events("news")
                await target.do("tests.security.scenarios.faults.tell", number=1)
                await anext(news)
                proxy.stall()
                assert await lost.get() == "ping timeout"
                proxy.reset()
                proxy.resume()
                await socket.wait_connected(timeout=40)
                assert socket.recovered
                await echo(socket, attack)


async def _accepted(wire: Wire) -> None:
    await wire.http()


async def _in_the_head(wire: Wire) -> None:
    (await wire.http()).write(b"GET /socket.io/?EIO=4&trans")


async def _in_a_body(wire: Wire) -> None:
    peer = await wire.open_polling()
    peer.posts.send("POST", peer.target, {"Content-Length": "100"})
    peer.posts.write(b"4")


async def _while_a_poll_waits(wire: Wire) -> None:
    peer = await wire.open_polling()
    peer.gets.send("GET", peer.target)


async def _opened(wire: Wire) -> None:
    await wire.open_websocket()


async def _connected(wire: Wire) -> None:
    await (await wire.open_websocket()).connect()


async def _in_a_frame(wire: Wire) -> None:
    peer = await wire.open_websocket()
    await peer.connect()
    peer.websocket.http.write(b"\x81\xfe\x10\x00\x00\x00")


async def _in_a_probe(wire: Wire) -> None:
    peer = await wire.open_polling()
    await peer.connect()
    websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"


async def _upgraded(wire: Wire) -> None:
    peer = await wire.open_polling()
    await peer.connect()
    websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    websocket.send("5")


async def _closing(wire: Wire) -> None:
    peer = await wire.open_websocket()
    await peer.connect()
    await peer.send("1")


async def _refused(wire: Wire) -> None:
    http = await wire.http()
    http.send("GET", wire.target("websocket", sid="unknown"), RawWebSocket.request_headers())


STATES: Final[dict[str, Callable[[Wire], Awaitable[None]]]] = {
    "accepted": _accepted,
    "in the head": _in_the_head,
    "in a body": _in_a_body,
    "while a poll waits": _while_a_poll_waits,
    "opened": _opened,
    "connected": _connected,
    "in a frame": _in_a_frame,
    "in a probe": _in_a_probe,
    "upgraded": _upgraded,
    "closing": _closing,
    "refused": _refused,
}


@pytest.mark.parametrize("state", STATES)
async def test_f16_reset_in_each_state_leaves_nothing(
    front: str, targets: Callable[..., Target], state: str
) -> None:
    target = targets(front, **FAULTY)
    async with FaultProxy("127.0.0.1", target.port) as proxy:
        async with target.attack() as attack:
            wire = Wire("127.0.0.1", proxy.port, attack.wire.path)
            for _ in range(CLIENTS):
                await STATES[state](wire)
            await until(lambda: proxy.connections)
            proxy.reset()
            await wire.aclose()


# --- F17: clients that move -----------------------------------------------------------------------


async def test_f17_polling_goes_on_from_new_addresses(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front, **FAULTY)
    async with target.attack() as attack:
        async with HttpFaultProxy("127.0.0.1", target.port) as proxy:
            async with behind(proxy, transports=["polling"]) as (socket, lost):
                id_ = socket.manager.session_id
                for _ in range(10):
                    await echo(socket, attack, 3)
                assert socket.manager.session_id == id_
                assert lost.empty()
                assert sum(proxy.requests.values()) > 20


async def test_f17_websocket_whose_path_dies_recovers_on_another(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front, **FAULTY)
    async with target.attack(settle=10 * SILENCE) as attack:
        async with FaultProxy("127.0.0.1", target.port) as proxy:
            async with behind(proxy, transports=["websocket"]) as (socket, lost):
                news = socket.events("news")
                await target.do("tests.security.scenarios.faults.tell", number=1)
                assert (await anext(news))[0] == 1
                id_ = socket.id
                proxy.stall()
                await target.do("tests.security.scenarios.faults.tell", number=2)
                assert await lost.get() == "ping timeout"
                proxy.reset()
                proxy.resume()
                await socket.wait_connected(timeout=40)
                assert socket.recovered and socket.id == id_
                await target.do("tests.security.scenarios.faults.tell", number=3)
                assert [(await anext(news))[0] for _ in range(2)] == [2, 3]
                await echo(socket, attack)


# --- F18: polling through proxies that interfere --------------------------------------------------


async def test_f18_buffered_and_delayed_polling_works(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front, **FAULTY)
    async with target.attack() as attack:
        async with HttpFaultProxy("127.0.0.1", target.port) as proxy:
            proxy.answer_delay = 0.05
            async with behind(proxy, transports=["polling"]) as (socket, lost):
                await echo(socket, attack, 60)  # in four POSTs, within the heartbeat
                assert lost.empty()


async def test_f18_delay_beyond_the_heartbeat_closes_cleanly(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front, **FAULTY)
    async with target.attack(settle=10 * SILENCE) as attack:
        async with HttpFaultProxy("127.0.0.1", target.port) as proxy:
            async with behind(proxy, transports=["polling"]) as (socket, lost):
                proxy.answer_delay = SILENCE
                assert await lost.get() in ("ping timeout", "transport error")
                proxy.answer_delay = 0.0
                await socket.wait_connected(timeout=40)
                await echo(socket, attack)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_f18_answer_that_is_lost_ends_the_session(
    front: str, targets: Callable[..., Target], method: str
) -> None:
    """A second GET would get what came behind the lost packets, and nobody would know."""
    target = targets(front, **FAULTY)
    async with target.attack(settle=10 * SILENCE) as attack:
        async with HttpFaultProxy("127.0.0.1", target.port) as proxy:
            async with behind(proxy, transports=["polling"]) as (socket, lost):
                proxy.lose_answers(1, method)
                asked = proxy.requests[method]
                socket.emit("echo", "lost")
                attack.runs["echo"] += 1
                assert await lost.get() == "transport error"
                await socket.wait_connected(timeout=40)
                assert proxy.requests[method] > asked
                await echo(socket, attack)


@pytest.mark.parametrize("at_once", [False, True], ids=["behind each other", "at once"])
async def test_f18_repeated_post_is_handled_twice_or_refused(
    front: str, targets: Callable[..., Target], at_once: bool
) -> None:
    """No request says whether it is the first of its kind: what a proxy sends twice comes twice."""
    target = targets(front, **FAULTY)
    async with target.attack(settle=10 * SILENCE) as attack:
        async with HttpFaultProxy("127.0.0.1", target.port) as proxy:
            async with behind(proxy, transports=["polling"]) as (socket, lost):
                proxy.repeats, proxy.repeats_at_once = "POST", at_once
                socket.emit("echo", "twice")
                while (runs := (await target.do("outcome"))["runs"].get("echo", 0)) < 2:
                    if not lost.empty():
                        break
                assert runs == 2 or lost.get_nowait() == "transport error"
                attack.runs["echo"] += runs
                proxy.repeats = None
                await socket.wait_connected(timeout=40)
                await echo(socket, attack)


async def test_f18_two_polls_at_once_end_the_session(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front, **FAULTY)
    async with target.attack(settle=10 * SILENCE) as attack:
        async with HttpFaultProxy("127.0.0.1", target.port) as proxy:
            async with behind(proxy, transports=["polling"]) as (socket, lost):
                proxy.repeats, proxy.repeats_at_once = "GET", True
                assert await lost.get() in ("transport error", "transport close")
                proxy.repeats = None
                await socket.wait_connected(timeout=40)
                await echo(socket, attack)


async def test_f18_request_repeated_while_it_is_under_way_is_refused(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front, **FAULTY)
    async with target.attack(settle=10 * SILENCE) as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        peer.posts.send("POST", peer.target, {"Content-Length": "12"})
        peer.posts.write(b'42["ec')
        reply = await (await attack.wire.http()).post(peer.target, '42["echo",1]')
        assert reply.status == 400
        await peer.ended()


# --- F19: upgrades that fail ----------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["refuse", "hang", "mute"])
async def test_f19_upgrade_that_fails_stays_on_polling_and_loses_nothing(
    front: str, targets: Callable[..., Target], fault: WebSocketFault
) -> None:
    target = targets(front, **FAULTY)
    async with target.attack(settle=10 * SILENCE) as attack:
        async with HttpFaultProxy("127.0.0.1", target.port) as proxy:
            proxy.websockets = fault
            # The time of an upgrade; it is that of an attempt, too.
            async with behind(proxy, timeout=0.6) as (socket, lost):
                news = socket.events("news", maxsize=1_000)
                loop = asyncio.get_running_loop()
                end, number = loop.time() + 0.9, 0
                while loop.time() < end:
                    socket.emit("echo", number)
                    await target.do("tests.security.scenarios.faults.tell", number=number)
                    number += 1
                    await asyncio.sleep(0.02)
                assert await socket.emit_with_ack("echo", "last", timeout=40) == "last"
                attack.runs["echo"] += number + 1
                assert [(await anext(news))[0] for _ in range(number)] == list(range(number))
                assert socket.manager.transport == "polling"
                assert proxy.requests["UPGRADE"] == 1
                assert lost.empty()
