"""What several workers cost, in processor time of all their processes together:
`make bench-cluster [ARGS="NAME ..."]`.

    echo       400 clients by 2 workers, beside the same by one
    handover   a connection that is handed over, beside a handshake
    broadcast  an event to 1,000 clients of 4 workers, beside the same clients of one
    room       an event to a room of one of 4 workers: what the others pay
    single     100 clients of `workers=1`, beside the same without workers
    idle       memory and processor time of workers that do nothing

Each round has fresh servers, which take turns and do nothing meanwhile; a ratio is that of the
median round. Needs Linux. The exit code is 1 when something is not as it is to be.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from benchmarks.load import PollingClient, WebSocketClient, leave_all
from benchmarks.programs import (
    Program,
    processor_time,
    program,
    programs,
    proportional_kilobytes,
)
from benchmarks.reliability.report import allow_many_descriptors
from benchmarks.revisions import FLOOR, in_turn
from benchmarks.run import LOAD_CORE, pin
from benchmarks.workloads import SECONDS, Meter, connected, events_of, fanout_of, packet
from sockwave.adapters import ClusterOptions
from sockwave.platform import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Iterator, Sequence

__all__ = ["QUESTIONS", "Row", "Size"]

ECHO: Final = 0.95
"""Of what one worker does in a second of processor time, two do at least in a second of both."""

SHARE: Final = 0.6
"""Of the connections that one of two workers may have; chance makes it more than that once in
15,000 times with 400, which is four standard deviations."""

HANDSHAKES: Final = 2.0
"""That a hand-over costs less than."""

BROADCAST: Final = 1.15
"""Times the processor time of one worker, for a broadcast by four."""

NOTHING: Final = 0.01
"""Of what a broadcast costs those that have to do with it: less is nothing that can be measured,
as it is there without any broadcast, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is done.

    Attributes:
        rounds: Of fresh servers.
        seconds: Of a slice of work.
        crowd: Clients of 2 workers that have an echo in flight.
        audience: Clients of a broadcast.
        members: Clients of which those of one worker are in the room.
        kept: Connections on which requests come one after the other.
        rest: Seconds of doing nothing.
        settling: Seconds after which all workers know that there are no others: before that,
            everything is sent to everybody.
    """

    rounds: int = 5
    seconds: float = SECONDS
    crowd: int = 400
    audience: int = 1_000
    members: int = 200
    kept: int = 10
    rest: float = 5.0
    settling: float = ClusterOptions().heartbeat_interval + 1.0


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        holds: Whether the figure is as it is to be; None where it is only stated.
    """

    what: str
    figure: str
    aim: str
    holds: bool | None


def run(work: Coroutine[None, None, float]) -> float:
    """Do a slice of work on a fresh loop."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_and_leave(work))


async def _and_leave(work: Coroutine[None, None, float]) -> float:
    try:
        return await work
    finally:
        await leave_all()


def meter_of(served: Program, size: Size) -> Meter:
    """Measures all processes of a server."""

    async def cpu() -> float:
        return served.cpu()

    return Meter(cpu, size.seconds)


async def leave(clients: Sequence[WebSocketClient | PollingClient]) -> None:
    """End their connections."""
    for client in clients:
        if isinstance(client, WebSocketClient):
            client.on_messages = None  # before the first is gone: no work begins again
    for client in clients:
        await client.leave()


async def by_worker(clients: Sequence[WebSocketClient]) -> dict[int, list[WebSocketClient]]:
    """Clients of each worker, by its process id; that with most of them first."""
    found: dict[int, list[WebSocketClient]] = {}
    for client in clients:
        found.setdefault(await client.ask("pid"), []).append(client)
    return dict(sorted(found.items(), key=lambda each: -len(each[1])))


# --- echo, with and without workers ---------------------------------------------------------------


async def echoes(served: Program, clients: int, size: Size, shares: list[float]) -> float:
    """Echoes in a second of processor time; notes the part of the connections that one had."""
    load = await connected(served.port, clients)
    largest = next(iter((await by_worker(load)).values()))
    shares.append(len(largest) / len(load))
    rate = await events_of(load, packet(b"echo"), 1, meter_of(served, size))
    await leave(load)
    return rate


@contextmanager
def echoing(
    clients: int, size: Size, shares: dict[int | None, list[float]], kinds: Sequence[int | None]
) -> Iterator[Callable[[int | None], float]]:
    """Servers with so many workers each; gives what measures a slice of one."""
    with programs(kinds) as served:
        yield lambda kind: run(echoes(served[kind], clients, size, shares.setdefault(kind, [])))


def ratio_of_echoes(
    kinds: tuple[int | None, int | None], clients: int, size: Size
) -> tuple[float, float]:
    """How fast the first kind is beside the second, and the most that one of its workers had."""
    shares: dict[int | None, list[float]] = {}
    fresh = partial(echoing, clients, size, shares)
    found = in_turn(fresh, kinds, rounds=size.rounds, slices=2)
    return statistics.median(first / second for first, second in found), max(shares[kinds[0]])


def echo(size: Size) -> Iterator[Row]:
    """Two workers beside one."""
    ratio, share = ratio_of_echoes((2, 1), size.crowd, size)
    what = f"echo, {size.crowd} clients: 2 workers beside 1, per processor second"
    yield Row(what, f"{ratio:.3f}", f"at least {ECHO:g}", ratio >= ECHO)
    aim = f"at most {SHARE:.0%}"
    yield Row("most connections at one of the 2", f"{share:.0%}", aim, share <= SHARE)


def single(size: Size) -> Iterator[Row]:
    """One worker beside a process without workers."""
    ratio, _ = ratio_of_echoes((1, None), size.crowd // 4, size)
    what = f"echo, {size.crowd // 4} clients: `workers=1` beside without workers"
    yield Row(what, f"{ratio:.3f}", f"at least {FLOOR:g}", ratio >= FLOOR)


# --- hand-overs -----------------------------------------------------------------------------------

QUIET: Final = b'42["nothing"]'
"""An event that nobody listens to."""


async def repeated(works: Sequence[Callable[[], Awaitable[int]]], meter: Meter) -> float:
    """Do each of these again and again; processor time of one, in microseconds.

    Args:
        works: Each returns how much it has done.
    """
    count = 0

    async def again(work: Callable[[], Awaitable[int]]) -> None:
        nonlocal count
        while True:
            count += await work()

    tasks = [asyncio.ensure_future(again(work)) for work in works]
    rate = await meter.rate(lambda: count)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return 1e6 / rate


async def requests(served: Program, size: Size, *, is_elsewhere: bool) -> float:
    """Requests on kept connections, for two sessions in turn: of one worker, or of two.

    With two each request is handed over, as it comes where the other session is.
    """
    by_number: dict[str, list[PollingClient]] = {}
    opened: list[PollingClient] = []
    while len(by_number) < 2 or min(map(len, by_number.values())) < 2 * size.kept:
        client = await PollingClient.connect(served.port)
        opened.append(client)
        by_number.setdefault(client.sid[:2], []).append(client)
    here, there = by_number.values()
    others = there if is_elsewhere else here[size.kept :]
    pairs = [
        (one, other.on_connection_of(one))
        for one, other in zip(here[: size.kept], others, strict=False)
    ]

    async def both(pair: tuple[PollingClient, PollingClient]) -> int:
        for session in pair:
            await session.post(QUIET)
        return len(pair)

    figure = await repeated([partial(both, pair) for pair in pairs], meter_of(served, size))
    await leave(opened)
    return figure


async def handshakes(served: Program, size: Size) -> float:
    """Connections that open a session, and no more."""

    async def one() -> int:
        await (await PollingClient.open(served.port)).leave()
        return 1

    return await repeated([one] * size.kept, meter_of(served, size))


@contextmanager
def handing_over(size: Size, kinds: Sequence[str]) -> Iterator[Callable[[str], float]]:
    """Two workers; gives what measures one kind of request."""
    with program(2) as served:

        def measure(kind: str) -> float:
            if kind == "handshake":
                return run(handshakes(served, size))
            return run(requests(served, size, is_elsewhere=kind == "elsewhere"))

        yield measure


def handover(size: Size) -> Iterator[Row]:
    """What a request costs more that is handed over, in handshakes."""
    kinds = ("elsewhere", "here", "handshake")
    found = list(in_turn(partial(handing_over, size), kinds, rounds=size.rounds, slices=1))
    ratio = statistics.median((far - near) / handshake for far, near, handshake in found)
    cost = statistics.median(far - near for far, near, _ in found)
    handshake = statistics.median(each[-1] for each in found)
    yield Row(
        "a hand-over",
        f"{ratio:.2f} handshakes ({cost:.0f} and {handshake:.0f} µs)",
        f"less than {HANDSHAKES:g}",
        ratio < HANDSHAKES,
    )


# --- broadcasts -----------------------------------------------------------------------------------


async def deliveries(served: Program, size: Size) -> float:
    """Clients reached by broadcasts, in a second of processor time."""
    clients = await connected(served.port, size.audience)
    rate = await fanout_of(clients[0], packet(b"fanout"), clients, meter_of(served, size))
    await leave(clients)
    return rate


@contextmanager
def broadcasting(size: Size, kinds: Sequence[int]) -> Iterator[Callable[[int], float]]:
    """Servers with so many workers each, which know each other; gives what measures one."""
    with programs(kinds) as served:
        time.sleep(size.settling)
        yield lambda kind: run(deliveries(served[kind], size))


def broadcast(size: Size) -> Iterator[Row]:
    """Four workers beside one."""
    found = in_turn(partial(broadcasting, size), (4, 1), rounds=size.rounds, slices=2)
    ratio = statistics.median(one / four for four, one in found)
    what = f"broadcast to {size.audience:,} clients: processor time of 4 workers beside 1"
    yield Row(what, f"{ratio:.3f}", f"at most {BROADCAST:g}", ratio <= BROADCAST)


class Look(NamedTuple):
    """At the clocks.

    Attributes:
        at: Seconds.
        concerned: Processor time of the worker that sends, and of the one that has the room.
        others: That of the rest.
    """

    at: float
    concerned: float
    others: float

    def since(self, before: Look) -> Look:
        """What has passed on each."""
        return Look(*(now - then for now, then in zip(self, before, strict=True)))


@contextmanager
def four_workers(size: Size, kinds: Sequence[str]) -> Iterator[Callable[[str], float]]:
    """Four workers that know each other; gives what measures what others pay."""
    with program(4) as served:
        time.sleep(size.settling)
        yield lambda _: run(part_of_others(served, size))


REST: Final = 0.3
"""Seconds after which what clients did before does not count."""


async def part_of_others(served: Program, size: Size) -> float:
    """Broadcasts by one worker to a room of another one: processor time of the rest, beside theirs.

    What the rest use while nothing is sent at all does not count: they look after each other.
    """
    clients = await connected(served.port, size.members)
    (home, members), (away, senders), *_ = (await by_worker(clients)).items()
    for member in members:
        await member.ask("room")
    looks: list[Look] = []

    async def look() -> float:
        concerned = processor_time(home) + processor_time(away)
        others = sum(map(processor_time, served.workers)) - concerned
        looks.append(Look(time.monotonic(), concerned, others))
        return concerned

    await asyncio.sleep(REST)
    await look()
    await asyncio.sleep(size.seconds)
    await look()
    await fanout_of(senders[0], packet(b"tell"), members, Meter(look, size.seconds))
    await leave(clients)
    quiet, sending = looks[1].since(looks[0]), looks[3].since(looks[2])
    at_rest = quiet.others * sending.at / quiet.at
    return (sending.others - at_rest) / sending.concerned


def room(size: Size) -> Iterator[Row]:
    """What those pay that have nobody in a room."""
    found = in_turn(partial(four_workers, size), ("room",), rounds=size.rounds, slices=2)
    part = statistics.median(part for (part,) in found)
    what = "broadcast to a room of 1 of 4 workers: what those pay that have nobody in it"
    aim = f"at most {NOTHING:.0%} of the others' part"
    yield Row(what, f"{part:.2%}", aim, part <= NOTHING)


# --- workers that do nothing ----------------------------------------------------------------------


def megabytes(served: Program, size: Size) -> float:
    """Memory of all processes; what several have in common counts once."""
    return sum(map(proportional_kilobytes, served.pids)) / 1024


def per_cent_of_a_core(served: Program, size: Size) -> float:
    """Processor time of all processes that do nothing."""
    began, used = time.monotonic(), served.cpu()
    time.sleep(size.rest)
    return 100 * (served.cpu() - used) / (time.monotonic() - began)


Rest: TypeAlias = tuple[int, Callable[[Program, Size], float]]
"""A number of workers, and what measures them."""


@contextmanager
def resting(size: Size, kinds: Sequence[Rest]) -> Iterator[Callable[[Rest], float]]:
    """Servers with so many workers each, which know each other; gives what measures one."""
    with programs(sorted({workers for workers, _ in kinds})) as served:
        time.sleep(size.settling)
        yield lambda kind: kind[1](served[kind[0]], size)


def idle(size: Size) -> Iterator[Row]:
    """What the first worker takes, and what each of three more."""
    kinds = [(count, what) for what in (megabytes, per_cent_of_a_core) for count in (1, 4)]
    found = list(in_turn(partial(resting, size), kinds, rounds=size.rounds, slices=1))
    one, four, one_cpu, four_cpu = zip(*found, strict=True)
    for what, first, all_, text in (
        ("memory", one, four, "{:.1f} MB"),
        ("processor time", one_cpu, four_cpu, "{:.3f} % of a core"),
    ):
        more = statistics.median((b - a) / 3 for a, b in zip(first, all_, strict=True))
        figure = text.format(statistics.median(first))
        yield Row(f"{what}, idle: the first worker and the supervisor", figure, "", None)
        yield Row(f"{what}, idle: each worker more", text.format(more), "", None)


QUESTIONS: Final[dict[str, Callable[[Size], Iterator[Row]]]] = {
    "echo": echo,
    "handover": handover,
    "broadcast": broadcast,
    "room": room,
    "single": single,
    "idle": idle,
}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", help=f"of {', '.join(QUESTIONS)}; all by default")
    parser.add_argument("--rounds", type=int, default=Size().rounds, help="of fresh servers")
    options = parser.parse_args()
    names = options.names or list(QUESTIONS)
    if unknown := set(names) - set(QUESTIONS):
        parser.error(f"no such question: {min(unknown)}")
    if options.rounds < 1:
        parser.error("--rounds: at least one")
    allow_many_descriptors()
    pin(0, LOAD_CORE)
    size = Size(rounds=options.rounds)
    all_hold = True
    print("| what | figure | aim | holds |\n|---|---|---|---|")
    for name in names:
        for row in QUESTIONS[name](size):
            holds = {True: "yes", False: "**no**", None: ""}[row.holds]
            print(f"| {row.what} | {row.figure} | {row.aim} | {holds} |", flush=True)
            all_hold = all_hold and row.holds is not False
    if not all_hold:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
