"""What a worker does not have alone, and what it cannot do."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from sockwave import Limits, Server
from sockwave.adapters import ClusterAdapter, MemoryBroker
from sockwave.engine.server.driver import memory_share
from sockwave.workers.identity import Identity
from sockwave.workers.running import worker_count
from tests.workers.programs import Program, Visitor

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unix


@pytest.fixture
def one_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = Identity(number=7, index=2, count=4, directory="/nowhere", listening=0, control=0)
    for name, value in identity.environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("one_of_four")
def test_workers_share_the_memory() -> None:
    io = Server()
    assert (io.worker.number, io.worker.count) == (2, 4)
    assert io.engine.driver._max_backlog == memory_share() // 4
    assert io.pending.limit == memory_share() // 4


@pytest.mark.usefixtures("one_of_four")
def test_bound_that_was_set_is_that_of_each_worker() -> None:
    io = Server(limits=Limits(process_backlog=1_000_000))
    assert io.engine.driver._max_backlog == 1_000_000


def test_process_that_is_no_worker_is_alone() -> None:
    io = Server()
    assert (io.worker.number, io.worker.count) == (0, 1)
    assert io.engine.driver._max_backlog == memory_share()


@pytest.mark.usefixtures("one_of_four")
def test_adapter_of_the_program_is_the_one_that_is_used() -> None:
    broker = MemoryBroker()
    io = Server(adapter=lambda namespace: ClusterAdapter(namespace, broker.driver()))
    assert isinstance(io.adapter, ClusterAdapter)


@pytest.mark.parametrize("workers", [0, -1, 4_096, 2.5, True, "many", "4", "AUTO"])
def test_number_of_workers_must_make_sense(workers: object) -> None:
    with pytest.raises((ValueError, TypeError), match="workers"):
        worker_count(workers)  # type: ignore[arg-type]


def test_one_worker_for_each_core() -> None:
    assert worker_count("auto") >= 1


@pytest.mark.parametrize("system", ["Windows", "macOS"])
def test_system_that_cannot_pass_connections_says_so(
    monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    if system == "Windows":
        monkeypatch.setattr("sockwave.platform.name", "win32")
    else:
        monkeypatch.delattr("socket.SOCK_SEQPACKET")
    with pytest.raises(ValueError, match="cannot pass connections between processes"):
        Server().run(workers=2)


def test_limit_of_connections_is_that_of_each_worker(tmp_path: Path) -> None:
    """As a bound of memory that was set. The kernel fills one worker before another."""
    limits = "limits=__import__('sockwave').Limits(connections=10, keep_alive_timeout=3600.0)"
    with Program(tmp_path, "2", options=limits) as program, ExitStack() as stack:
        taken: Counter[int] = Counter()
        refusals = 0
        while taken.total() < 20 or refusals < 10:
            visitor = Visitor(program.port)
            sock = stack.enter_context(closing(visitor.connection()))
            if visitor.request(connection=sock) == (503, b"too many connections"):
                refusals += 1
                sock.close()
            else:
                visitor.open(sock)
                taken[visitor.ask("pid", connection=sock)] += 1
            assert refusals < 10_000
        assert sorted(taken.values()) == [10, 10]
        assert "this process takes limits.connections=10" in program.output
