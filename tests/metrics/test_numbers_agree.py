"""Every counter is what the history of a random run on bad connections says, over three workers.

What the history cannot say is left to other tests: how long something took, what was refused before
there was a session, and what only the carrier between the workers knows.
"""

from __future__ import annotations

import asyncio
import random
import urllib.request
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import sockwave
from sockwave.testing.fault_proxy import FaultProxy
from tests.history.record import Event, History
from tests.support.process import DEADLINE, ServerProcess, free_port
from tests.support.raw import until

if TYPE_CHECKING:
    from sockwave import ClientSocket
    from sockwave.types import TransportName

pytestmark = [pytest.mark.unix, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
CLIENTS = 12
WORKERS = 3


def sample(name: str, **labels: str) -> str:
    """As it stands in a scrape: labels in the order of their names."""
    inside = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"sockwave_{name}{{{inside}}}"


UNKNOWN = {
    # How many digits the number of an acknowledgement has.
    sample("events_sent_bytes_total", namespace="/", event="question"),
    # Who was at the other workers when a broadcast came there; where nobody was it is not counted.
    sample("broadcasts_total", namespace="/", event="everywhere"),
    sample("broadcast_receivers_total", namespace="/", event="everywhere"),
    sample("broadcast_bytes_total", namespace="/", event="everywhere"),
    # How long the offset is that broadcasts carry for recovery.
    sample("broadcast_bytes_total", namespace="/", event="here"),
}
"""What no handler sees."""

TRANSPORTS: tuple[tuple[TransportName, ...], ...] = (
    ("polling",),
    ("websocket",),
    ("polling", "websocket"),
)


def run(folder: Path, events: int) -> None:
    """Talk to three workers, and compare what they say of it."""
    port, metrics_port = free_port(), free_port()
    command = ["-m", "tests.metrics.agreeing", str(folder), str(port), str(metrics_port)]
    with ServerProcess(*command, directory=folder, port=port, cwd=ROOT):
        asyncio.run(talk_all(port, events))
        numbers = when_all_have_left(metrics_port)
    lines = "".join(file.read_text() for file in folder.glob("history.*")).splitlines()
    agree(History.from_lines(lines).events, numbers)


async def talk_all(port: int, events: int) -> None:
    """Say so much in all, on connections that are spoilt, and leave."""
    async with AsyncExitStack() as stack:
        sockets, talks = [], []
        for number in range(CLIENTS):
            proxy = await stack.enter_async_context(FaultProxy("127.0.0.1", port, seed=number))
            socket = sockwave.connect(
                proxy.url,
                transports=TRANSPORTS[number % len(TRANSPORTS)],
                reconnection_delay=0.02,
                reconnection_delay_max=0.1,
            )
            stack.push_async_callback(socket.aclose)
            sockets.append(socket)
            talks.append(talk(socket, proxy, random.Random(number), events // CLIENTS))
        await until(lambda: all(socket.connected for socket in sockets))
        await asyncio.gather(*talks)
        await until(lambda: all(socket.connected for socket in sockets))


async def talk(socket: ClientSocket, proxy: FaultProxy, chance: random.Random, events: int) -> None:
    """Say so much; some questions of the server are not answered in time."""

    @socket.on("question")
    async def question() -> None:
        if chance.random() < 0.2:
            await asyncio.sleep(1.0)

    for number in range(events):
        if chance.random() < 0.003:
            spoil(proxy, chance)
        match chance.randrange(60):
            case 0:
                socket.emit("give", b"x" * chance.choice([0, 300]))
            case 1:
                socket.emit("fail")
            case 2:
                socket.emit("ask")
            case _:
                socket.emit("say", "x" * chance.choice([1, 30, 1_500]))
        if number % 50 == 0:
            await asyncio.sleep(0.01)
            await until(lambda: socket.connected)


def spoil(proxy: FaultProxy, chance: random.Random) -> None:
    match chance.randrange(4):
        case 0 | 1:
            proxy.reset()
        case 2:
            proxy.set(slice=chance.choice([7, 100]), slice_until=20_000)
        case _:
            proxy.set(merge=65_536)


def when_all_have_left(port: int) -> dict[str, float]:
    """The numbers, as soon as all workers say that nobody is there."""
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=DEADLINE) as page:
            lines = page.read().decode().splitlines()
        found = (line.rpartition(" ") for line in lines if line[0] != "#")
        numbers = {name: float(value) for name, _, value in found}
        assert numbers["sockwave_workers_answering"] == WORKERS
        is_there = ("sockwave_sessions{", "sockwave_sockets{")
        if not any(value for name, value in numbers.items() if name.startswith(is_there)):
            return numbers


# --- comparison -----------------------------------------------------------------------------------


def agree(history: list[Event], numbers: dict[str, float]) -> None:
    """All numbers of what the history knows, no others, and each as the history has it."""
    assert len({event.node for event in history}) == WORKERS
    wanted = of_sockets(history) + of_events(history) + of_answers(history)
    names = {name.partition("{")[0] for name in wanted}
    told = {
        name: value
        for name, value in numbers.items()
        if name.partition("{")[0] in names and name not in UNKNOWN and value
    }
    assert told == {name: value for name, value in wanted.items() if value}
    for what in ('recovered="true"', 'reason="transport close"', 'why="timeout"', "upgrades"):
        assert any(what in name for name in told), f"the run had no {what}"
    everywhere = sum(event.id == "everywhere" for event in history)
    counted = numbers[sample("broadcasts_total", namespace="/", event="everywhere")]
    assert 0 < everywhere <= counted <= everywhere * WORKERS


def of_sockets(history: list[Event]) -> Counter[str]:
    """Of sessions and sockets: who came, moved and left."""
    wanted: Counter[str] = Counter()
    for event in history:
        match event.op, event.id:
            case "connect", "session":
                wanted[sample("sessions_opened_total", transport=event.detail)] += 1
            case "join", "session":
                wanted[sample("upgrades_total", transport=event.detail)] += 1
            case "leave", transport:
                labels = {"transport": transport, "reason": event.detail}
                wanted[sample("sessions_closed_total", **labels)] += 1
            case "connect", _:
                labels = {"namespace": "/", "recovered": str(event.recovered).lower()}
                wanted[sample("sockets_connected_total", **labels)] += 1
                wanted[sample("handler_seconds_count", namespace="/", event="connection")] += 1
            case "disconnect", _:
                labels = {"namespace": "/", "reason": event.detail}
                wanted[sample("sockets_disconnected_total", **labels)] += 1
                wanted[sample("handler_seconds_count", namespace="/", event="disconnect")] += 1
            case _:
                pass
    return wanted


def of_events(history: list[Event]) -> Counter[str]:
    """Of events, their handlers and broadcasts, with their bytes."""
    wanted: Counter[str] = Counter()

    def count(name: str, event: Event, by: int = 1) -> None:
        wanted[sample(name, namespace="/", event=event.id)] += by

    for event in history:
        size = len(f'42["{event.id}",""]') + int(event.digest or 0)
        match event.op, event.id:
            case "handle", "fail" | "ask":
                size = len(f'42["{event.id}"]')
            case "handle", "give":
                size = len('451-["give",{"_placeholder":true,"num":0}]') + int(event.digest)
            case _:
                pass
        match event.op, event.id:
            case "handle", name:
                count("events_received_total", event)
                count("events_received_bytes_total", event, size)
                count("handler_seconds_count", event)
                if name == "fail":
                    count("handler_failures_total", event)
            case "emit", "back":
                count("events_sent_total", event)
                count("events_sent_bytes_total", event, size)
            case "emit", "here":
                count("broadcasts_total", event)
                count("broadcast_receivers_total", event, int(event.detail))
            case "emit", "question":
                count("events_sent_total", event)
            case _:
                pass
    return wanted


def of_answers(history: list[Event]) -> Counter[str]:
    """Of questions of the server."""
    wanted: Counter[str] = Counter()
    for event in history:
        labels = {"namespace": "/", "event": event.id}
        match event.op:
            case "answered":
                wanted[sample("ack_seconds_count", **labels)] += 1
            case "unanswered":
                wanted[sample("acks_missed_total", **labels, why=event.detail)] += 1
            case _:
                pass
    return wanted


def test_of_some_thousand_events(tmp_path: Path) -> None:
    run(tmp_path, 3_000)


@pytest.mark.slow
def test_of_a_hundred_thousand_events(tmp_path: Path) -> None:
    run(tmp_path, 100_000)
