"""Machines that lie about the time, stop, and run out of descriptors and memory (F12 to F15)."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import connect
from sockwave.testing import FaultProxy
from tests.security.judge import MB
from tests.security.settings import FAULTY, IS_FULL
from tests.security.ways import connected
from tests.support.raw import RawWebSocket, until, within
from tests.support.yardstick import is_quick

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sockwave.types import TransportName
    from tests.security.judge import Attack, Target
    from tests.support.raw import Peer

FAULTS: Final = "tests.security.scenarios.faults"

STOP: Final = 3.0
"""Seconds that a server is stopped: more than `ping_interval` and `ping_timeout` together."""


# --- F12: the time of day -------------------------------------------------------------------------

JUMPS: Final = {
    "an hour back": -3600.0,
    "beyond 32 bits": 2.0**31 - time.time() + 60.0,
}
if IS_FULL:
    JUMPS.update({"an hour on": 3600.0, "400 days on": 400 * 86400.0})


@pytest.mark.parametrize("jump", JUMPS)
async def test_f12_time_of_day_changes_nothing(
    front: str, targets: Callable[..., Target], transport: TransportName, jump: str
) -> None:
    target = targets(front, **FAULTY)
    options: dict[str, Any] = {"transports": [transport], "reconnection_delay": 0.05}
    async with target.attack() as attack, FaultProxy("127.0.0.1", target.port) as proxy:
        async with connect(proxy.url, **options) as socket:
            lost: asyncio.Queue[str] = asyncio.Queue()
            socket.on("disconnect", lambda reason: lost.put_nowait(reason))
            pings: asyncio.Queue[None] = asyncio.Queue()
            socket.manager.on("ping", lambda: pings.put_nowait(None))
            news = socket.events("news")
            await target.do(f"{FAULTS}.tell", number=1)
            await anext(news)
            try:
                await target.do(f"{FAULTS}.shift_clock", seconds=JUMPS[jump])
                for _ in range(4):  # heartbeats
                    await pings.get()
                assert lost.empty()
                waited = await target.do(f"{FAULTS}.ask_in_vain", seconds=0.3)
                assert 0.29 <= waited < 30.0
                proxy.reset()  # recovery
                await lost.get()
                await target.do(f"{FAULTS}.tell", number=2)
                await socket.wait_connected(timeout=40)
                assert socket.recovered
                assert (await anext(news))[0] == 2
                await attack.wire.http()  # time-outs of a head, and of a session without a CONNECT
                await attack.wire.open(transport)
                await asyncio.sleep(FAULTY["connect_timeout"])
            finally:
                await target.do(f"{FAULTS}.shift_clock", seconds=0)


@pytest.mark.parametrize("jump", JUMPS)
async def test_f12_time_of_day_changes_nothing_for_a_client(
    monkeypatch: pytest.MonkeyPatch,
    native: str,
    targets: Callable[..., Target],
    transport: TransportName,
    jump: str,
) -> None:
    target = targets(native, **FAULTY)
    real = time.time
    async with target.attack() as attack:
        url = f"http://127.0.0.1:{target.port}"
        async with connect(url, transports=[transport], with_credentials=True) as socket:
            lost: list[str] = []
            socket.on("disconnect", lambda reason: lost.append(reason))
            pings: asyncio.Queue[None] = asyncio.Queue()
            socket.manager.on("ping", lambda: pings.put_nowait(None))
            monkeypatch.setattr(time, "time", lambda: real() + JUMPS[jump])
            for _ in range(3):
                await pings.get()
            assert await socket.emit_with_ack("echo", 1, timeout=40) == 1
            assert not lost
            monkeypatch.undo()
        attack.runs["echo"] += 1


# --- F13: servers that stop -----------------------------------------------------------------------


@asynccontextmanager
async def patient_peers(attack: Attack, count: int) -> AsyncIterator[list[Peer]]:
    """Clients that answer each ping at once, and think nothing of a server's silence."""
    peers: list[Peer] = []
    for _ in range(count):
        for transport in ("websocket", "polling"):
            peers.append(await attack.wire.open(transport))
            await peers[-1].connect()
    replies: dict[Peer, asyncio.Queue[str]] = {peer: asyncio.Queue() for peer in peers}

    async def listen(peer: Peer) -> None:
        while True:
            replies[peer].put_nowait(str(await peer.receive()))

    tasks = [asyncio.create_task(listen(peer)) for peer in peers]
    await asyncio.sleep(2 * FAULTY["ping_interval"])
    yield peers
    for number, peer in enumerate(peers):
        await peer.send(f'421["echo",{number}]')
    for number, peer in enumerate(peers):
        assert await within(replies[peer].get()) == f"431[{number}]"
    attack.runs["echo"] += len(peers)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


NAMED: Final = "block keeps the event loop busy for more than 0.1 s"


async def test_f13_handler_that_blocks_costs_no_live_client_and_is_named(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front, **FAULTY)
    before = target.output.count(NAMED)
    async with target.attack() as attack:
        async with patient_peers(attack, 10) as peers:
            await peers[0].send(f'42["block",{STOP}]')
            await asyncio.sleep(STOP)
        attack.runs["block"] += 1
    assert target.output.count(NAMED) == before + 1


async def test_f13_process_that_was_stopped_loses_no_live_client(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front, **FAULTY)
    before = target.output.count("keeps the event loop busy")
    async with target.attack() as attack:
        async with patient_peers(attack, 10):
            os.kill(target.pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(STOP)
            finally:
                os.kill(target.pid, signal.SIGCONT)
    assert target.output.count("keeps the event loop busy") == before


# --- F14: too few descriptors ---------------------------------------------------------------------

DESCRIPTORS: Final = 256


async def test_f14_too_few_descriptors_refuse_the_rest_and_no_more(
    front: str, targets: Callable[..., Target]
) -> None:
    """The listener refuses beyond the limit less 64; a host accepts what it can."""
    target = targets(front, process={"descriptors": DESCRIPTORS}, ping_interval=2.0)
    async with target.attack(logs_errors=front == "asgi") as attack:
        https = [await attack.wire.http() for _ in range(400)]
        for http in https:
            http.send("GET", attack.wire.target("websocket"), RawWebSocket.request_headers())
        replies = await asyncio.gather(*(http.read() for http in https), return_exceptions=True)
        statuses = [reply.status for reply in replies if not isinstance(reply, BaseException)]
        served = statuses.count(101)
        print(f"{served} served, {statuses.count(503)} refused of 400")
        assert served >= 150
        assert set(statuses) <= {101, 503}
        before = processor_time(target.pid)
        await asyncio.sleep(1.0)
        used = processor_time(target.pid) - before
        print(f"{used * 100:.0f} % of the processor")
        assert is_quick(used, 0.2)
        for http in https:
            http.reset()
        peer = await within(connected_soon(attack))
        await peer.send('421["echo",1]')
        assert await peer.receive() == "431[1]"
        attack.runs["echo"] += 1


async def test_f14_half_heads_for_an_application_leave_an_answer_for_everybody(
    targets: Callable[..., Target],
) -> None:
    """A port shared with an application refuses in the same way, whoever would serve."""
    target = targets("hosted", process={"descriptors": DESCRIPTORS})
    async with target.attack() as attack:
        https = [await attack.wire.http() for _ in range(240)]
        for http in https:
            http.write(b"GET /x HTTP/1.1\r\nHost: a\r\nX-A: ")
        at_most = DESCRIPTORS - 64
        refused = [asyncio.create_task(http.read()) for http in https[at_most:]]
        assert [(await reading).status for reading in refused] == [503] * len(refused)
        for _ in range(10):  # and newcomers
            assert (await (await attack.wire.http()).read()).status == 503
        for http in https:
            http.reset()
        await within(connected_soon(attack))
        reply = await attack.wire.get("/x")
        assert reply.status in (200, 404)


def processor_time(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def connected_soon(attack: Attack) -> Peer:
    """A client that tries until it is let in."""
    while True:
        try:
            return await connected(attack.wire)
        except (OSError, AssertionError, asyncio.IncompleteReadError):
            await asyncio.sleep(0.05)


# --- F15: too little memory -----------------------------------------------------------------------

MORE: Final = 256 * MB
READERS: Final = 20


async def test_f15_bounds_hold_in_little_memory(front: str, targets: Callable[..., Target]) -> None:
    """Silent readers could hold 16 MiB each, 320 in all."""
    target = targets(front, process={"more_memory": MORE})
    async with target.attack(peak=MORE, kept=MORE) as attack:
        for number in range(READERS):
            peer = await connected(attack.wire)
            await peer.send(f'42["join",["silent","own {number}"]]')
            peer.websocket.http.writer.transport.pause_reading()  # type: ignore[attr-defined]
        attack.runs["join"] += READERS
        await target.do(f"{FAULTS}.flood", room="silent", count=500, size=20_000)
        for number in range(READERS):  # of his own for each: nothing is shared
            await target.do(f"{FAULTS}.flood", room=f"own {number}", count=800, size=20_000)


async def test_f15_handler_without_memory_hurts_its_own_event_only(
    front: str, targets: Callable[..., Target], transport: str
) -> None:
    target = targets(front, process={"more_memory": MORE})
    async with target.attack(logs_errors=True) as attack:
        peer = await attack.wire.open(transport)
        await peer.connect()
        await peer.send(f'421["exhaust",{2 * MORE}]')
        await peer.send('422["exhaust",1000]')
        assert await peer.receive() == "432[1000]"
        await peer.send("1")
        attack.runs["exhaust"] += 2
    await until(lambda: "MemoryError" in target.output)
