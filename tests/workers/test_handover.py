"""Descriptors from one worker to another, with what was read."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from sockwave.engine.server.routing import HandOver
from sockwave.workers.handover import MOST_WAITING, PIECE, Arrival, HandOvers
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.unix


class Arrivals:
    """Keeps what comes."""

    def __init__(self) -> None:
        self.all: list[Arrival] = []

    def arrived(self, arrival: Arrival) -> None:
        self.all.append(arrival)


class TwoWorkers:
    """In one process."""

    def __init__(self, directory: Path) -> None:
        self.arrivals = Arrivals()
        self.one = HandOvers(str(directory), 1, Arrivals())
        self.two = HandOvers(str(directory), 2, self.arrivals)

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.one.start(loop)
        self.two.start(loop)

    def close(self) -> None:
        self.one.close()
        self.two.close()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[TwoWorkers]:
    workers = TwoWorkers(tmp_path)
    yield workers
    workers.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7])
async def test_connection_arrives_with_all_that_was_read(
    workers: TwoWorkers, pair: tuple[socket.socket, socket.socket], size: int
) -> None:
    workers.start()
    ours, theirs = pair
    data = os.urandom(size)
    client = ("192.0.2.7", 40_000)
    outcome = workers.one.send(2, theirs.fileno(), data, client, is_secure=True)
    assert outcome is HandOver.DONE
    theirs.close()
    await until(lambda: workers.arrivals.all)
    (arrival,) = workers.arrivals.all
    assert (arrival.data, arrival.client, arrival.is_secure) == (data, client, True)
    with arrival.sock as sock:
        ours.send(b"question")
        assert sock.recv(100) == b"question"
        sock.send(b"answer")
        assert ours.recv(100) == b"answer"


async def test_worker_that_does_not_exist_gets_nothing(
    workers: TwoWorkers, pair: tuple[socket.socket, socket.socket]
) -> None:
    workers.start()
    before = open_descriptors()
    outcome = workers.one.send(3, pair[1].fileno(), b"x", None, is_secure=False)
    assert outcome is HandOver.GONE
    assert open_descriptors() == before


async def test_worker_that_has_died_gets_nothing_more(
    workers: TwoWorkers, pair: tuple[socket.socket, socket.socket]
) -> None:
    workers.start()
    assert workers.one.send(2, pair[1].fileno(), b"x", None, is_secure=False) is HandOver.DONE
    await until(lambda: workers.arrivals.all)
    workers.arrivals.all[0].sock.close()
    workers.two.close()
    before = open_descriptors()
    for _ in range(3):
        outcome = workers.one.send(2, pair[1].fileno(), b"x", None, is_secure=False)
        assert outcome is HandOver.GONE
    assert open_descriptors() <= before


async def test_worker_that_takes_nothing_is_busy_at_a_bound_and_has_all_later(
    workers: TwoWorkers, pair: tuple[socket.socket, socket.socket]
) -> None:
    """A stopped process: nothing is read within this turn of the loop."""
    workers.start()
    before = open_descriptors()
    sent = 0
    data = bytes(PIECE)
    while workers.one.send(2, pair[1].fileno(), data, None, is_secure=False) is HandOver.DONE:
        sent += 1
        assert sent < 10_000
    assert open_descriptors() - before <= MOST_WAITING + 10
    await until(lambda: len(workers.arrivals.all) == sent)
    for arrival in workers.arrivals.all:
        assert arrival.data == data
        arrival.sock.close()
    workers.close()
    await until(lambda: open_descriptors() <= before)


async def test_ten_thousand_connections_leave_no_descriptor(
    workers: TwoWorkers, pair: tuple[socket.socket, socket.socket]
) -> None:
    workers.start()
    before = open_descriptors()
    for _ in range(100):
        for _ in range(100):
            outcome = workers.one.send(2, pair[1].fileno(), b"GET", None, is_secure=False)
            assert outcome is HandOver.DONE
        await until(lambda: len(workers.arrivals.all) == 100)
        for arrival in workers.arrivals.all:
            arrival.sock.close()
        workers.arrivals.all.clear()
    assert open_descriptors() <= before + 2  # the connection between the two


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x00\x01\xc1", b"\x00\x05\x93\x01\xc0\xc2\x00"])
async def test_what_is_no_hand_over_ends_its_connection_only(
    workers: TwoWorkers,
    pair: tuple[socket.socket, socket.socket],
    tmp_path: Path,
    data: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    workers.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
        stranger.connect(str(tmp_path / "2.handover"))
        stranger.send(data)
        await until(lambda: "cannot be read" in caplog.text)
        stranger.setblocking(False)
        await until(lambda: not stranger.recv(10))
    assert len(caplog.records) == 1
    assert workers.one.send(2, pair[1].fileno(), b"x", None, is_secure=False) is HandOver.DONE
    await until(lambda: workers.arrivals.all)
    workers.arrivals.all[0].sock.close()


class Descriptors:
    """Those of this process: all can be taken."""

    def __init__(self) -> None:
        self._limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._taken: list[int] = []

    def take_all(self) -> None:
        """Leave none."""
        highest = max(map(int, os.listdir("/proc/self/fd")))
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, self._limits[1]))
        with suppress(OSError):
            while True:
                self._taken.append(os.dup(0))

    def give_back(self) -> None:
        """As before."""
        while self._taken:
            os.close(self._taken.pop())
        resource.setrlimit(resource.RLIMIT_NOFILE, self._limits)


@pytest.fixture
def descriptors() -> Iterator[Descriptors]:
    descriptors = Descriptors()
    yield descriptors
    descriptors.give_back()


async def test_table_of_descriptors_that_is_full_is_looked_at_again_a_moment_later(
    workers: TwoWorkers,
    pair: tuple[socket.socket, socket.socket],
    descriptors: Descriptors,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sockwave.workers.doors.ACCEPT_PAUSE", 0.1)
    workers.start()
    assert workers.one.send(2, pair[1].fileno(), b"x", None, is_secure=False) is HandOver.DONE
    descriptors.take_all()
    for _ in range(100):
        await asyncio.sleep(0)
    descriptors.give_back()
    assert len(caplog.messages) == 1, "not one in each turn of the loop"
    assert "a worker could not connect: " in caplog.text
    await until(lambda: workers.arrivals.all)
    workers.arrivals.all[0].sock.close()


async def test_connection_waits_at_its_client_where_there_is_no_descriptor_to_pass_it(
    workers: TwoWorkers,
    pair: tuple[socket.socket, socket.socket],
    descriptors: Descriptors,
) -> None:
    workers.start()
    descriptors.take_all()
    first = workers.one.send(2, pair[1].fileno(), b"x", None, is_secure=False)
    descriptors.give_back()
    assert first is HandOver.BUSY
    assert workers.one.send(2, pair[1].fileno(), b"x", None, is_secure=False) is HandOver.DONE
    await until(lambda: workers.arrivals.all)
    workers.arrivals.all[0].sock.close()
