"""Measures what clusters cost, each carrier in turn, on engines and nodes of its own.

Figures are processor time, by the kernel's clock of each process, so that a machine that does
something else meanwhile disturbs them little. What all use that do nothing is subtracted.
"""

from __future__ import annotations

import asyncio
import platform
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.carriers.engines import engine
from benchmarks.carriers.model import CARRIERS
from benchmarks.carriers.node import ALONE, ALONE_PING
from benchmarks.carriers.nodes import EVERYBODY, OTHERS, cluster, room_of, starting
from benchmarks.carriers.samples import Measured, Mixed, Rest, Sample, Samples, Speeds
from benchmarks.cluster import leave
from benchmarks.load import leave_all
from benchmarks.programs import processor_time
from benchmarks.run import one_run
from benchmarks.workloads import Meter, connected, events_of, fanout_of, packet
from sockwave.platform import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from benchmarks.carriers.nodes import Cluster, Look, Told

__all__ = ["Size", "measure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured.

    Attributes:
        rounds: Of fresh engines and nodes.
        nodes: Numbers of them, one after the other, each a process.
        many: Nodes at the end, most of them in one process: what an engine does for so many is
            measured, not reckoned.
        seconds: Of a slice of work.
        rest: Seconds of doing nothing: a multiple of the two seconds between two echoes.
        interval: Seconds between two heartbeats: short, so that it is seen what they cost.
        audience: Clients of both nodes in `Speeds.fanout`.
        crowd: Clients in `Speeds.nobody`.
        pinged: Clients that do nothing.
        is_whole: Whether what concerns a node alone is measured, too.
    """

    rounds: int = 1
    nodes: tuple[int, ...] = (2, 4, 8)
    many: int = 32
    seconds: float = 1.0
    rest: float = 2.0
    interval: float = 1.0
    audience: int = 200
    crowd: int = 50
    pinged: int = 2_000
    is_whole: bool = True


RATES: Final = {1: 500.0, 16: 60.0}
"""Turns in a second, by how many messages come in each: far less than what anything bears."""

MANY: Final = 2.0
"""How much less often with many nodes, whose crowd has to bear it on one core."""

MIXED: Final = 4
"""Messages in a turn of each node, when all send."""

MIXED_RATE: Final = 240.0
"""Turns in a second of all nodes."""


def measure(carriers: Iterable[str], size: Size, say: Callable[[str], None]) -> Measured:
    """Measure these carriers.

    Args:
        say: Is told what is measured.
    """
    measured = Measured(machine=_machine())
    if size.is_whole:
        say("a node")
        measured.node["ping"] = _ping(size)
    for name in carriers:
        measured.carriers[name] = Samples()
        for _ in range(size.rounds):
            say(CARRIERS[name].title)
            with engine(name) as there, cluster(name, there, size.interval) as nodes:
                _run(_Measuring(name, nodes, size, measured.carriers[name]).all())
    if size.is_whole:
        say("a node")
        measured.node |= _node()  # last: these leave connections to loops that are closed
    return measured


def _run(work: Coroutine[None, None, None]) -> None:
    async def and_leave() -> None:
        try:
            await work
        finally:
            await leave_all()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(and_leave())


def _machine() -> str:
    python, system = platform.python_version(), platform.system()
    return f"CPython {python}, {system} {platform.release().partition('-')[0]}"


# --- a node alone ---------------------------------------------------------------------------------


def _node() -> dict[str, float]:
    return {
        "event": 1 / one_run("echo"),
        "delivery": 1 / one_run("fanout"),
        "connection": 1 / one_run("churn"),
        "memory": 1024 * one_run("memory"),
    }


def _ping(size: Size) -> float:
    """Seconds of a ping of one of many clients that do nothing else."""
    found: list[float] = []

    async def work(port: int, pid: int) -> None:
        clients = await connected(port, size.pinged)
        await asyncio.sleep(2 * ALONE_PING)
        began, used = time.monotonic(), processor_time(pid)
        await asyncio.sleep(max(size.rest, 2 * ALONE_PING))
        pings = size.pinged * (time.monotonic() - began) / ALONE_PING
        found.append((processor_time(pid) - used) / pings)
        await leave(clients)

    with starting() as more:
        (node,) = more(1, ALONE)
        _run(work(node.port, node.pid))
    return found[0]


# --- clusters -------------------------------------------------------------------------------------


class _Measuring:
    """One carrier.

    Args:
        cluster: Has no nodes yet.
        found: Gets what is measured.
    """

    def __init__(self, name: str, cluster: Cluster, size: Size, found: Samples) -> None:
        self._name = name
        self._cluster = cluster
        self._size = size
        self._found = found
        self._at_rest: Look | None = None
        self._pacing = 0.0
        self._slower = 1.0

    async def all(self) -> None:
        """Measure with more and more nodes."""
        size, cluster = self._size, self._cluster
        for nodes in size.nodes:
            await cluster.grow(nodes)
            await self._rest()
            if not self._pacing:
                await self._pace()
            rooms = {nodes - 1: OTHERS}
            if nodes == size.nodes[-1]:
                rooms |= {each: room_of(each) for each in (1, nodes // 2)}
            await self._samples(rooms)
            if nodes == size.nodes[0]:
                await self._speed()
        if size.many > size.nodes[-1]:
            self._slower = MANY
            await cluster.crowd(size.many)
            await self._rest()
            await self._samples({len(cluster.nodes) - 1: OTHERS, 1: room_of(1)})

    async def _samples(self, rooms: dict[int, str]) -> None:
        for wanted, room in rooms.items():
            for together in RATES:
                await self._sample(room, wanted, together)
        await self._mix()

    async def _rest(self) -> None:
        look = await self._cluster.rest(self._size.rest)
        self._at_rest = look
        self._found.rests.append(
            Rest(
                nodes=self._cluster.size,
                interval=self._size.interval,
                node=sum(look.nodes) / len(look.nodes) / look.at,
                engine=look.engine / look.at,
            )
        )

    def _beyond_rest(self, used: Look) -> tuple[list[float], float]:
        """What nodes and engine have done beside being there."""
        rest = self._at_rest
        assert rest is not None
        part = used.at / rest.at
        nodes = [max(a - b * part, 0.0) for a, b in zip(used.nodes, rest.nodes, strict=True)]
        return nodes, max(used.engine - rest.engine * part, 0.0)

    async def _told(
        self, room: str, wanted: int, together: int, rate: float, senders: int = 1
    ) -> Told:
        nodes = self._cluster.nodes
        hearers = nodes if room == EVERYBODY else nodes[1 : 1 + wanted]
        return await self._cluster.tell(
            room,
            hearers,
            together=together,
            turns=max(round(rate / self._slower * self._size.seconds), 1),
            pause=self._slower / rate,
            senders=senders,
        )

    async def _pace(self) -> None:
        """What a turn costs a sender in which it sends nothing."""
        told = await self._told(OTHERS, 0, 0, RATES[1])
        nodes, _ = self._beyond_rest(told.used)
        self._pacing = nodes[0] / told.turns

    async def _sample(self, room: str, wanted: int, together: int) -> None:
        told = await self._told(room, wanted, together, RATES[together])
        (sender, *others), engine_ = self._beyond_rest(told.used)
        count, rest = told.messages, self._at_rest
        assert rest is not None
        part = told.used.at / rest.at
        written = told.used.written[0] - rest.written[0] * part
        heard = [told.used.read[at] - rest.read[at] * part for at in range(1, 1 + wanted)]
        unwanted = others[wanted:] if self._cluster.size == len(self._cluster.nodes) else []
        self._found.samples.append(
            Sample(
                nodes=self._cluster.size,
                wanted=wanted,
                together=together,
                sender=max(sender - told.turns * self._pacing, 0.0) / count,
                hearing=sum(others[:wanted]) / wanted / count,
                unwanted=sum(unwanted) / len(unwanted) / count if unwanted else None,
                engine=engine_ / count,
                sent_bytes=max(written, 0.0) / count,
                heard_bytes=max(sum(heard) / wanted, 0.0) / count,
            )
        )

    async def _mix(self) -> None:
        """All send to all, but for the crowd."""
        senders = len(self._cluster.nodes)
        told = await self._told(EVERYBODY, senders - 1, MIXED, MIXED_RATE / senders, senders)
        used, engine_ = self._beyond_rest(told.used)
        node = max(sum(used) / senders - told.turns * self._pacing, 0.0)
        self._found.mixed.append(
            Mixed(
                nodes=self._cluster.size,
                senders=senders,
                together=MIXED,
                node=node / told.messages,
                engine=engine_ / told.messages,
            )
        )

    # --- speeds -----------------------------------------------------------------------------------

    async def _speed(self) -> None:
        """What two nodes do in a second of the processor time of both."""
        nodes, looks = self._cluster.nodes[:2], []

        async def cpu() -> float:
            looks.append(self._cluster.look())
            return sum(looks[-1].nodes)

        def engine_part() -> float:
            used = looks[-1].since(looks[-2])
            return used.engine / max(sum(used.nodes), 1e-9)

        meter, half = Meter(cpu, self._size.seconds), self._size.audience // 2
        clients = [each for node in nodes for each in await connected(node.port, half)]
        fanout = await fanout_of(clients[0], packet(b"fanout"), clients, meter)
        fanout_engine = engine_part()
        await leave(clients)
        clients = await connected(nodes[0].port, self._size.crowd)
        nobody = await events_of(clients, packet(b"nobody", id_=b"1"), 1, meter)
        nobody_engine = engine_part()
        await leave(clients)
        self._found.speeds.append(
            Speeds(
                fanout=fanout,
                nobody=nobody,
                fanout_engine=fanout_engine,
                nobody_engine=nobody_engine,
            )
        )
