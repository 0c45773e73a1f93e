"""Every counter is what the history of a random run says: three workers, and bad connections."""

from __future__ import annotations

import asyncio
import random
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest
from prometheus_client.parser import text_string_to_metric_families

import sockwave
from sockwave.metrics import METRICS
from sockwave.testing.fault_proxy import FaultProxy
from tests.metrics.counted import COUNTED, NEVER_ANSWERED, OPTIONS, Guest
from tests.support.process import DEADLINE, free_port
from tests.support.raw import until
from tests.workers.crowded import events_of_workers
from tests.workers.programs import Program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.history.record import Event

pytestmark = pytest.mark.unix

WORKERS: Final = 3
CLIENTS: Final = 12
RINGS: Final = 5
"""Broadcasts to all workers, and events that their handler does not take."""

UNSAID: Final = {
    "sockwave_upgrade_failures": "a handler is told of upgrades that succeed",
    "sockwave_loop_lag_seconds": "it is measured, and nothing that happens",
    "sockwave_cluster_messages_sent": "applications do not see messages of the cluster",
    "sockwave_cluster_messages_received": "the same",
    "sockwave_cluster_nodes_joined": "the same of its processes",
    "sockwave_cluster_nodes_left": "the same",
    "sockwave_cluster_errors": "the same of its errors",
}
"""Counters that a history cannot say, and why. Of histograms it says how many values they have."""

IDS: Final = range(1, 8)
"""How many digits the id of an acknowledgement has: the history does not say them."""

Numbers: TypeAlias = "Counter[tuple[str, ...]]"
"""By the name of a metric and the values of its labels, in the order of the list."""


def scrape(port: int) -> Numbers:
    """All numbers, of all workers together."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=DEADLINE) as page:
        text = page.read().decode()
    labels = {metric.name: metric.labels for metric in METRICS}
    found: Numbers = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removesuffix("_total").removesuffix("_count")
            if name in labels:
                values = (sample.labels[label] for label in labels[name])
                found[(name, *values)] = int(sample.value)
    return found


def said_by(events: list[Event]) -> Numbers:
    """The same numbers, as far as the history has them, without bytes of what has an id."""
    said: Numbers = Counter()
    here: Counter[str] = Counter()
    for event in sorted(events, key=lambda event: event.t):
        name = ("/", event.event)
        match event.op:
            case "opened":
                said["sockwave_sessions_opened", event.transport] += 1
            case "upgraded":
                said["sockwave_upgrades", event.transport] += 1
            case "closed":
                said["sockwave_sessions_closed", event.transport, event.detail] += 1
                if event.detail == "rate limit exceeded":
                    said["sockwave_rate_limits", "session_bytes"] += 1
            case "denied":
                said["sockwave_requests_refused", event.detail] += 1
            case "refused":
                said["sockwave_sockets_refused", "/"] += 1
            case "connect":
                here[event.node] += 1
                recovered = "true" if event.recovered else "false"
                said["sockwave_sockets_connected", "/", recovered] += 1
                said["sockwave_handler_seconds", "/", "connection"] += 2
            case "disconnect":
                here[event.node] -= 1
                said["sockwave_sockets_disconnected", "/", event.detail] += 1
                said["sockwave_handler_seconds", "/", "disconnect"] += 1
            case "handle":
                said["sockwave_events_received", *name] += 1
                said["sockwave_events_received_bytes", *name] += event.size
                said["sockwave_handler_seconds", *name] += 1
                if event.detail == "failed":
                    said["sockwave_handler_failures", *name] += 1
            case "emit" if event.sid:
                said["sockwave_events_sent", *name] += 1
                said["sockwave_events_sent_bytes", *name] += event.size
            case "emit":  # to all sockets of this worker; or of all, when nobody comes or goes
                to_all = event.event == "all news"
                receivers = sum(here.values()) if to_all else here[event.node]
                said["sockwave_broadcasts", *name] += WORKERS if to_all else 1
                said["sockwave_broadcast_receivers", *name] += receivers
                said["sockwave_broadcast_bytes", *name] += receivers * event.size
            case "answered":
                said["sockwave_ack_seconds", *name] += 1
            case "unanswered":
                said["sockwave_acks_missed", *name, event.detail] += 1
            case _:
                raise AssertionError(f"no counter is known for {event.op}")
    return said


async def run(program: Program, port: int, events: int, calm: int) -> list[Guest]:
    """Talk on bad connections first, then do on good ones what must not get lost."""
    chance = random.Random(events)
    async with AsyncExitStack() as stack:
        guests = []
        for number in range(CLIENTS):
            proxy = FaultProxy("127.0.0.1", program.port, seed=number)
            await stack.enter_async_context(proxy)
            guest = Guest(proxy, random.Random(chance.getrandbits(64)), number)
            stack.push_async_callback(guest.socket.aclose)
            guests.append(guest)
        await until(lambda: all(guest.socket.connected for guest in guests))
        await asyncio.gather(*(guest.talk(events // CLIENTS, calm) for guest in guests))
        await asyncio.gather(*(guest.say_last() for guest in guests))
        for guest in guests[:RINGS]:
            guest.socket.emit("ring all", 1)
            guest.socket.emit("typed", "no number")
            guest.socket.emit("typed", 7)
            await guest.say_last()
        await until(lambda: all(guest.heard["all news"] == RINGS for guest in guests))
        await be_denied(program.port)
        await be_limited(program.port)
    await asyncio.to_thread(wait, lambda: is_quiet(scrape(port)), "some do not leave")
    return guests


async def be_denied(port: int) -> None:
    """Ask for what there is not, and come as a stranger."""
    for query in ("EIO=4&transport=pigeon", "EIO=4&transport=polling&sid=none"):
        url = f"http://127.0.0.1:{port}/socket.io/?{query}"
        with pytest.raises(urllib.error.HTTPError):
            await asyncio.to_thread(urllib.request.urlopen, url, timeout=DEADLINE)
    errors: list[object] = []
    stranger = sockwave.connect(f"http://127.0.0.1:{port}", auth={"stranger": True})
    stranger.on("connect_error", errors.append)
    await until(lambda: errors)
    await stranger.aclose()


async def be_limited(port: int) -> None:
    """Send more bytes than one may."""
    ends: list[object] = []
    flood = sockwave.connect(
        f"http://127.0.0.1:{port}", transports=("websocket",), reconnection=False
    )
    flood.on("disconnect", lambda *args: ends.append(args))
    await until(lambda: flood.connected)
    for _ in range(200):
        if ends:
            break
        flood.emit("say", "x" * 900_001)
        await asyncio.sleep(0.005)
    await until(lambda: ends)
    await flood.aclose()


def is_quiet(numbers: Numbers) -> bool:
    """Whether nobody is there, and all workers say so."""
    gauges = ("sockwave_sockets", "sockwave_sessions", "sockwave_connections")
    left = sum(count for (name, *_), count in numbers.items() if name in gauges)
    return not left and numbers[("sockwave_workers_answering",)] == WORKERS


def wait(condition: Callable[[], object], what: str) -> None:
    """Wait for another process."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def agree(directory: Path, events: int, calm: int) -> int:
    """Run, and compare; no number may be there that the history does not say.

    Args:
        directory: For what the workers write down.
        events: How many are said; some are lost with their connections.
        calm: Each event spoils its connection with a chance of five in so many.

    Returns:
        How many were handled.
    """
    port = free_port()
    more = COUNTED.replace("PORT", str(port))
    with Program(directory, str(WORKERS), more=more, options=OPTIONS) as program:
        guests = asyncio.run(run(program, port, events, calm))
        counted, history = scrape(port), events_of_workers(directory)
    said = said_by(history)
    all_ = {each.name for each in METRICS if each.kind != "gauge"}
    assert set(UNSAID) < all_
    judged = all_ - set(UNSAID)
    counted = Counter({key: count for key, count in counted.items() if key[0] in judged})

    # What the handler does not take is seen by who has sent it alone, on a good connection; it is
    # one more that has raised, and its client gets an error.
    for name in ("events_refused", "events_received", "handler_seconds", "handler_failures"):
        said[f"sockwave_{name}", "/", "typed"] += RINGS
    said["sockwave_events_received_bytes", "/", "typed"] += RINGS * len('42["typed","no number"]')
    heard, sizes = Counter[str](), Counter[str]()
    for guest in guests:
        heard += guest.heard
        sizes += guest.heard_bytes
    assert heard["error"] == RINGS
    said["sockwave_events_sent", "/", "error"] = heard["error"]
    said["sockwave_events_sent_bytes", "/", "error"] = sizes["error"]
    bytes_of_all = ("sockwave_broadcast_bytes", "/", "all news")
    assert heard["all news"] == said["sockwave_broadcast_receivers", "/", "all news"]
    # Each has an offset for recovery behind its arguments, which clients take off.
    offsets = counted.pop(bytes_of_all) - sizes["all news"]
    assert heard["all news"] * len(',"1"') <= offsets <= heard["all news"] * 40
    said.pop(bytes_of_all)

    # Packets that want an acknowledgement have an id.
    for name, event in (
        *(("sockwave_events_sent", event) for event in ("quiz", NEVER_ANSWERED)),
        ("sockwave_events_received", "last"),
    ):
        times, bytes_ = said[name, "/", event], (f"{name}_bytes", "/", event)
        least = said.pop(bytes_) or times * len('42["last"]')
        assert counted.pop(bytes_) - least in range(times, times * IDS[-1] + 1)

    differences = {key: (counted[key], said[key]) for key in counted | said}
    wrong = [f"{key}: {both}" for key, both in differences.items() if both[0] != both[1]]
    assert not wrong, "counted, said:\n" + "\n".join(wrong)
    assert len({event.node for event in history}) == WORKERS
    assert {key[0] for key in said} == judged, "all of it has happened"
    assert said["sockwave_sockets_connected", "/", "true"], "some were recovered"
    return sum(1 for event in history if event.op == "handle")


def test_counters_are_what_the_history_says(tmp_path: Path) -> None:
    assert agree(tmp_path, 2_500, calm=700) > 1_000


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_counters_are_what_the_history_of_many_events_says(tmp_path: Path) -> None:
    assert agree(tmp_path, 180_000, calm=20_000) >= 100_000
