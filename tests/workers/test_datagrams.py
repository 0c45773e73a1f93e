"""Datagrams that one worker gives to another."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave.engine.server.fronts.quic.udp import udp_socket
from sockwave.engine.server.routing import HandOver
from sockwave.platform import unix_socket
from sockwave.workers.datagrams import BUFFER, Datagrams
from sockwave.workers.numbers import datagram_path
from sockwave.workers.ports import open_udp_port
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.unix

HERE: Final = ("192.0.2.1", 4_433)
KEY: Final = bytes(32)


class Taken:
    """Connections, of which each datagram is kept."""

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, Any]] = []
        self.has_stopped = False

    def passed_on(self, data: bytes, address: Any) -> None:
        self.datagrams.append((data, address))

    def stop_taking(self) -> None:
        self.has_stopped = True


@contextmanager
def worker(directory: Path, number: int) -> Iterator[tuple[Datagrams, Taken]]:
    """One of several, whose sockets are in a directory."""
    taken = Taken()
    udp = udp_socket(socket.AF_INET, ("127.0.0.1", 0))
    datagrams = Datagrams(str(directory), number, udp, KEY)
    datagrams.start(asyncio.get_running_loop())
    datagrams.begin(taken)
    try:
        yield datagrams, taken
    finally:
        datagrams.close()


async def test_datagram_comes_with_its_address(tmp_path: Path) -> None:
    with worker(tmp_path, 1) as (one, _), worker(tmp_path, 2) as (_, taken):
        sent = [
            (b"", HERE),
            (b"\x00\xff" * 700, HERE),
            (bytes(65_507), ("2001:db8::1", 65_535, 7, 3)),
        ]
        for data, address in sent:
            assert one.pass_on(2, data, address) is HandOver.DONE
        await until(lambda: len(taken.datagrams) == 3)
        assert taken.datagrams == sent


async def test_worker_that_is_not_there_is_gone(tmp_path: Path) -> None:
    with worker(tmp_path, 1) as (one, _):
        assert one.pass_on(2, b"x", HERE) is HandOver.GONE
        with worker(tmp_path, 2) as (_, taken):
            assert one.pass_on(2, b"x", HERE) is HandOver.DONE
            await until(lambda: taken.datagrams)
        assert one.pass_on(2, b"x", HERE) is HandOver.GONE
        with worker(tmp_path, 2) as (_, taken):
            assert one.pass_on(2, b"y", HERE) is HandOver.DONE
            await until(lambda: taken.datagrams == [(b"y", HERE)])
        assert one.dropped == 0


async def test_one_that_was_killed_refuses(tmp_path: Path) -> None:
    left = unix_socket("packets")
    left.bind(datagram_path(str(tmp_path), 2))
    left.close()
    with worker(tmp_path, 1) as (one, _):
        assert one.pass_on(2, b"x", HERE) is HandOver.GONE


async def test_one_that_stands_still_costs_a_buffer_and_holds_up_nobody(tmp_path: Path) -> None:
    still = unix_socket("packets")
    still.bind(datagram_path(str(tmp_path), 2))
    still.listen(1)
    with worker(tmp_path, 1) as (one, _), worker(tmp_path, 3) as (_, taken):
        sent = [one.pass_on(2, bytes(1_200), HERE) for _ in range(4_000)]
        done = sent.count(HandOver.DONE)
        assert 16 <= done <= 2 * BUFFER // 1_200
        assert sent[done:] == [HandOver.BUSY] * (4_000 - done)
        assert one.dropped == 4_000 - done
        assert one.pass_on(3, b"x", HERE) is HandOver.DONE
        await until(lambda: taken.datagrams)
    still.close()


async def test_one_that_takes_no_connections_is_busy_and_not_gone(tmp_path: Path) -> None:
    full = unix_socket("packets")
    full.bind(datagram_path(str(tmp_path), 2))
    full.listen(0)
    others = []
    with worker(tmp_path, 1) as (one, _):
        for _ in range(64):
            other = unix_socket("packets")
            other.setblocking(False)
            others.append(other)
            if other.connect_ex(datagram_path(str(tmp_path), 2)):
                break
        assert one.pass_on(2, b"x", HERE) is HandOver.BUSY
    for each in (full, *others):
        each.close()


async def test_rubbish_ends_the_way(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with worker(tmp_path, 1) as (_, taken), unix_socket("packets") as stranger:
        stranger.connect(datagram_path(str(tmp_path), 1))
        stranger.send(b"\xc1")
        await until(lambda: "cannot be read" in caplog.text)
        stranger.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(stranger, 1) == b""
        assert taken.datagrams == []


async def test_port_is_left_to_a_successor(tmp_path: Path) -> None:
    with worker(tmp_path, 1) as (one, taken):
        one.stop_taking()
        assert taken.has_stopped


async def test_copies_of_a_socket_block_nobody(tmp_path: Path) -> None:
    inherited = udp_socket(socket.AF_INET, ("127.0.0.1", 0))
    again = socket.socket(fileno=os.dup(inherited.fileno()))  # as a worker has it from another
    datagrams = Datagrams(str(tmp_path), 1, again, KEY)
    with datagrams.copy(), inherited:
        assert not os.get_blocking(inherited.fileno())
    datagrams.sock.close()


def test_port_is_shared_by_workers_and_by_nobody_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        sockets = open_udp_port(tcp, 3)
        try:
            assert {sock.getsockname() for sock in sockets} == {tcp.getsockname()}
            with pytest.raises(OSError, match="in use"):
                open_udp_port(tcp, 3)
        finally:
            for sock in sockets:
                sock.close()
