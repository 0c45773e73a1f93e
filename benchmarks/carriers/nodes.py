"""Nodes of one cluster, each a process of its own, with a client of each and the clocks of all."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmarks.load import WebSocketClient
from benchmarks.programs import processor_time
from benchmarks.revisions import ROOT, environment
from benchmarks.run import SERVER_CORE, pin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.carriers.engines import Engine

__all__ = ["Cluster", "Look", "Node", "Told", "cluster", "starting"]

PATIENCE: Final = 60.0
"""Seconds after which something that does not come about ends the measurement."""

LOOK: Final = 0.02
"""Seconds between two looks whether it has."""

REST: Final = 0.05
"""Seconds in which those read who are not waited for."""


class Node:
    """A process that serves.

    Attributes:
        pid: Of it.
        port: Where.
        client: The one that is always there; only after `connect`.
    """

    client: WebSocketClient

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.pid = process.pid
        self.port = port
        self._process = process

    async def connect(self) -> None:
        """Connect its client."""
        self.client = await WebSocketClient.connect(self.port)

    async def ask(self, event: str, *arguments: Any) -> Any:
        """Emit something from its client, and wait for the acknowledgement."""
        answer = asyncio.get_running_loop().create_future()
        self.client.answers.append(answer)
        self.client.send(b"420" + json.dumps([event, *arguments]).encode())
        return await answer

    def end(self) -> None:
        """Tell it to end."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def wait(self) -> None:
        """Wait until it has ended."""
        try:
            self._process.wait(PATIENCE / 4)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def start(count: int, *arguments: str) -> list[Node]:
    """Start so many nodes at once.

    Raises:
        SystemExit: One of them does not serve.
    """
    command = [sys.executable, "-m", "benchmarks.carriers.node", *arguments]
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(ROOT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(count)
    ]
    nodes = []
    for process in processes:
        assert process.stdout is not None
        said = process.stdout.readline()
        if not said:
            for each in processes:
                each.kill()
            raise SystemExit(f"a node does not serve: {' '.join(arguments)}")
        pin(process.pid, SERVER_CORE)
        nodes.append(Node(process, int(said)))
    return nodes


@contextmanager
def starting() -> Iterator[Callable[..., list[Node]]]:
    """Gives what starts nodes; all of them end with the context."""
    nodes: list[Node] = []

    def more(count: int, *arguments: str) -> list[Node]:
        started = start(count, *arguments)
        nodes.extend(started)
        return started

    try:
        yield more
    finally:
        for node in nodes:
            node.end()
        for node in nodes:
            node.wait()


class Look(NamedTuple):
    """At the clocks.

    Attributes:
        at: Seconds.
        nodes: Processor time of each.
        engine: Of all processes of the engine.
        read: Bytes that each node has read so far.
        written: And written.
    """

    at: float
    nodes: tuple[float, ...]
    engine: float
    read: tuple[int, ...]
    written: tuple[int, ...]

    def since(self, before: Look) -> Look:
        """What has passed on each."""

        def less(now: Sequence[Any], then: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(a - b for a, b in zip(now, then, strict=True))

        return Look(
            self.at - before.at,
            less(self.nodes, before.nodes),
            self.engine - before.engine,
            less(self.read, before.read),
            less(self.written, before.written),
        )


def _bytes_of(pid: int) -> tuple[int, int]:
    """That a process has read and written so far."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    found = dict(line.split(": ") for line in lines)
    return int(found["rchar"]), int(found["wchar"])


class Told(NamedTuple):
    """Messages that were sent.

    Attributes:
        messages: How many.
        turns: Of each sender.
        used: What passed meanwhile.
    """

    messages: int
    turns: int
    used: Look


EVERYBODY: Final = "everybody"
"""Room of a client of each node."""

OTHERS: Final = "others"
"""Room of one of each node but the first, which sends."""


class Cluster:
    """Nodes that know each other; the first one sends.

    Each is a process, but for a crowd: that is one process for many nodes, whose rooms are empty.

    Args:
        carrier: Between them.
        engine: That runs.
        interval: Seconds between two heartbeats.
        more: Starts nodes.

    Attributes:
        nodes: Those that are a process each.
        size: How many there are with the crowd.
    """

    def __init__(
        self, carrier: str, engine: Engine, interval: float, more: Callable[..., list[Node]]
    ) -> None:
        self.nodes: list[Node] = []
        self.size = 0
        self._carrier = carrier
        self._engine = engine
        self._interval = interval
        self._more = more
        self._engine_processes: list[int] = []

    async def grow(self, count: int) -> None:
        """Be so many, all of whom know all, and their rooms.

        The rooms are those above, and `rooms_of(n)` with a client of each of the n nodes behind
        the first.
        """
        more = count - len(self.nodes)
        arguments = (self._carrier, self._engine.address, str(self._interval))
        for node in self._more(more, *arguments):
            await node.connect()
            await node.ask("join", EVERYBODY)
            if self.nodes:
                await node.ask("join", OTHERS)
            self.nodes.append(node)
        for wanted in {1, count // 2}:
            for node in self.nodes[1 : 1 + wanted]:
                await node.ask("join", room_of(wanted))
        await self._until_known(count)

    async def crowd(self, count: int) -> None:
        """Be so many, by a crowd beside those that are there."""
        arguments = (self._carrier, self._engine.address, str(self._interval))
        self._more(1, *arguments, str(count - len(self.nodes)))
        await self._until_known(count)

    async def _until_known(self, count: int) -> None:
        await self._until_all_know(count)
        # Everything goes to all until nobody can be there who was not heard.
        await asyncio.sleep(self._interval + 4 * REST)
        self._engine_processes = self._engine.processes()
        self.size = count

    async def _until_all_know(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while {await node.ask("nodes") for node in self.nodes} != {count}:
            if time.monotonic() > deadline:
                raise SystemExit(f"the nodes do not find each other: {self._carrier}")
            await asyncio.sleep(LOOK)

    def look(self) -> Look:
        """Look at the clocks."""
        read, written = zip(*(_bytes_of(node.pid) for node in self.nodes), strict=True)
        return Look(
            time.monotonic(),
            tuple(processor_time(node.pid) for node in self.nodes),
            sum(map(processor_time, self._engine_processes)),
            read,
            written,
        )

    async def rest(self, seconds: float) -> Look:
        """Let them do nothing."""
        before = self.look()
        await asyncio.sleep(seconds)
        return self.look().since(before)

    async def tell(
        self,
        room: str,
        hearers: Sequence[Node],
        *,
        together: int,
        turns: int,
        pause: float,
        senders: int = 1,
    ) -> Told:
        """Let the first nodes send to a room, and wait until all have it who should.

        Args:
            hearers: Who should.
            together: Messages in a turn of each sender.
            turns: Of each sender.
            pause: Seconds between the beginnings of two turns.
        """
        expected = together * turns * senders
        counts = dict.fromkeys(range(len(hearers)), 0)

        def counting(number: int) -> Callable[[int], None]:
            def came(messages: int) -> None:
                counts[number] += messages

            return came

        for number, node in enumerate(hearers):
            node.client.on_messages = counting(number)
        before = self.look()
        # One after the other, so that their turns do not fall together.
        asked = (
            node.ask("tell", room, together, turns, pause, pause * number / senders)
            for number, node in enumerate(self.nodes[:senders])
        )
        await asyncio.gather(*asked)
        deadline = time.monotonic() + PATIENCE
        while any(count < expected for count in counts.values()):
            if time.monotonic() > deadline:
                least = min(counts.values())
                raise SystemExit(f"{least} of {expected} messages came by {self._carrier}")
            await asyncio.sleep(LOOK)
        await asyncio.sleep(REST)
        used = self.look().since(before)
        for node in hearers:
            node.client.on_messages = None
        return Told(expected, turns, used)


def room_of(wanted: int) -> str:
    """The room of so many nodes behind the first."""
    return f"room of {wanted}"


@contextmanager
def cluster(carrier: str, engine: Engine, interval: float) -> Iterator[Cluster]:
    """A cluster without nodes yet; those that it gets end with the context."""
    with starting() as more:
        yield Cluster(carrier, engine, interval, more)
