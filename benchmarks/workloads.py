"""The work that is measured, one function a question; `run.py` says what each is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.load import BareClient, PollingClient, WebSocketClient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["MODES", "UNITS", "Meter", "bare", "connected", "events_of", "fanout_of", "packet"]

SECONDS = 0.5
"""Of one slice of work: short, so that two servers can take turns and meet the same machine."""

PAYLOAD = b"x" * 32


@dataclass(frozen=True, slots=True)
class Meter:
    """Measures a slice of work.

    Attributes:
        cpu: Processor time that the server has used so far.
        seconds: Of the slice.
    """

    cpu: Callable[[], Awaitable[float]]
    seconds: float = SECONDS

    @classmethod
    async def asking(cls, port: int) -> Meter:
        """One that asks the server itself, which has to be one process."""
        control = await WebSocketClient.connect(port)
        return cls(lambda: control.ask("cpu"))

    async def rate(self, work: Callable[[], int]) -> float:
        """Let the load run; work per second of the server's processor time."""
        await asyncio.sleep(0.3)
        done, used = work(), await self.cpu()
        await asyncio.sleep(self.seconds)
        return float((work() - done) / (await self.cpu() - used))


async def connected(port: int, count: int) -> list[WebSocketClient]:
    """So many clients."""
    return [await WebSocketClient.connect(port) for _ in range(count)]


async def events(port: int, clients: int, packet: bytes, window: int) -> float:
    """Clients that keep a window of events in flight."""
    load = await connected(port, clients)
    return await events_of(load, packet, window, await Meter.asking(port))


async def events_of(
    clients: Sequence[WebSocketClient], packet: bytes, window: int, meter: Meter
) -> float:
    """The same with clients that are there."""
    count = 0

    def keep_going(client: WebSocketClient) -> Callable[[int], None]:
        def came(messages: int) -> None:
            nonlocal count
            count += messages
            for _ in range(messages):
                client.send(packet)

        return came

    for client in clients:
        client.on_messages = keep_going(client)
        for _ in range(window):
            client.send(packet)
    return await meter.rate(lambda: count)


async def fanout(port: int) -> float:
    """One event to a thousand, and again when all have it."""
    clients = await connected(port, 1_000)
    return await fanout_of(clients[0], packet(b"fanout"), clients, await Meter.asking(port))


async def fanout_of(
    sender: WebSocketClient, packet: bytes, clients: Sequence[WebSocketClient], meter: Meter
) -> float:
    """The same with clients that are there, of which one makes the server send it to all."""
    count = 0

    def came(messages: int) -> None:
        nonlocal count
        count += messages
        if count % len(clients) == 0:
            sender.send(packet)

    for client in clients:
        client.on_messages = came
    sender.send(packet)
    return await meter.rate(lambda: count)


async def poll(port: int) -> float:
    """Post an event, and poll for its echo."""
    count = 0

    async def one() -> None:
        nonlocal count
        client = await PollingClient.connect(port)
        while True:
            await client.post(b'42["echo","%b"]' % PAYLOAD)
            while b"42[" not in await client.get():
                pass
            count += 1

    tasks = [asyncio.ensure_future(one()) for _ in range(50)]
    figure = await (await Meter.asking(port)).rate(lambda: count)
    for task in tasks:
        task.cancel()
    return figure


async def churn(port: int) -> float:
    """Connect, join, leave, without end."""
    count = 0

    async def one() -> None:
        nonlocal count
        while True:
            client = await WebSocketClient.connect(port)
            client.transport.abort()
            count += 1

    tasks = [asyncio.ensure_future(one()) for _ in range(32)]
    figure = await (await Meter.asking(port)).rate(lambda: count)
    for task in tasks:
        task.cancel()
    return figure


async def memory(port: int) -> float:
    """Memory of a connection that does nothing."""
    control = await WebSocketClient.connect(port)
    before = await control.ask("memory")
    clients = [await WebSocketClient.connect(port) for _ in range(4_000)]
    return float((await control.ask("memory") - before) / len(clients))


async def idle(port: int) -> float:
    """Processor time of 10,000 silent clients, over more than one round of heartbeats."""
    control = await WebSocketClient.connect(port)
    clients = [await WebSocketClient.connect(port) for _ in range(10_000)]
    started, used = time.monotonic(), await control.ask("cpu")
    await asyncio.sleep(30.0)
    used = await control.ask("cpu") - used
    assert len(clients) == 10_000
    return float(100 * used / (time.monotonic() - started))


async def bare(port: int) -> float:
    """The yardstick: 100 clients, 32 bytes, nothing but the loop."""
    count = 0
    control = await BareClient.connect(port)

    def keep_going(client: BareClient) -> Callable[[bytes], None]:
        def came(data: bytes) -> None:
            nonlocal count
            count += 1
            client.transport.write(data)

        return came

    async def cpu() -> float:
        answer = asyncio.get_running_loop().create_future()
        control.on_bytes = answer.set_result
        control.transport.write(b"cpu")
        return float(await answer)

    for _ in range(100):
        client = await BareClient.connect(port)
        client.on_bytes = keep_going(client)
        client.transport.write(PAYLOAD)
    await asyncio.sleep(0.3)
    done, used = count, await cpu()
    await asyncio.sleep(SECONDS)
    return (count - done) / (await cpu() - used)


def packet(event: bytes, size: int = 32, id_: bytes = b"") -> bytes:
    """An event with one argument of text."""
    return b'42%b["%b","%b"]' % (id_, event, b"x" * size)


MODES: dict[str, Callable[[int], Awaitable[float]]] = {
    "echo": lambda port: events(port, 100, packet(b"echo"), 1),
    "ack": lambda port: events(port, 100, packet(b"ack", id_=b"1"), 1),
    "pipe": lambda port: events(port, 100, packet(b"echo"), 16),
    "big": lambda port: events(port, 20, packet(b"echo", 16_384), 1),
    "fanout": fanout,
    "poll": poll,
    "churn": churn,
    "memory": memory,
    "idle": idle,
}
UNITS = {"memory": "kB per connection", "idle": "% of a core"}
