"""Workers that stand still, and who notices."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from sockwave import Server
from sockwave.workers.pulse import until_silent
from sockwave.workers.supervisor import Supervisor
from tests.support.patient_loop import run
from tests.workers.programs import Program, Visitor

if TYPE_CHECKING:
    from pathlib import Path

BLOCKING = """
import asyncio, time
@io.on("connection")
def blocking(socket):
    def block():
        asyncio.get_running_loop().call_later(0.1, time.sleep, 3600)
    socket.on("block", block)
"""
READY = """
import os, time
control = int(os.environ["SOCKWAVE_WORKER"].partition(":")[0])
os.write(control, b"ready\\n")
time.sleep(3600)
"""
"""A worker that serves, and never answers."""


class FakeWorker:
    """Answers as long as it is told to."""

    def __init__(self) -> None:
        self.has_answered = False
        self.is_stopped = False
        self.asked = 0

    def ask(self) -> None:
        self.asked += 1
        self.has_answered = not self.is_stopped


def test_worker_that_answers_is_left_alone() -> None:
    async def scenario() -> None:
        worker = FakeWorker()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1_000):
                await until_silent(worker, 60.0)
        assert worker.asked > 100

    run(scenario())


def test_worker_that_does_not_answer_is_noticed_after_the_time() -> None:
    async def scenario() -> None:
        loop, worker = asyncio.get_running_loop(), FakeWorker()
        loop.call_later(100.0, setattr, worker, "is_stopped", True)
        async with asyncio.timeout(200):
            await until_silent(worker, 60.0)
        assert 154.0 <= loop.time() <= 167.0

    run(scenario())


def test_worker_that_goes_on_in_time_is_left_alone() -> None:
    async def scenario() -> None:
        loop, worker = asyncio.get_running_loop(), FakeWorker()
        for number in range(10):
            loop.call_later(100.0 * number, setattr, worker, "is_stopped", True)
            loop.call_later(100.0 * number + 50.0, setattr, worker, "is_stopped", False)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1_000):
                await until_silent(worker, 60.0)

    run(scenario())


def visitor_of_another(program: Program, pid: int) -> Visitor:
    while True:
        visitor = Visitor(program.port)
        visitor.open()
        if visitor.ask("pid") != pid:
            return visitor


@pytest.mark.unix
@pytest.mark.slow
def test_worker_whose_event_loop_is_blocked_is_replaced(tmp_path: Path) -> None:
    with Program(tmp_path, "2", more=BLOCKING, arguments="unresponsive_timeout=3.0") as program:
        victim = Visitor(program.port)
        victim.open()
        pid = victim.ask("pid")
        other = visitor_of_another(program, pid)
        victim.emit("block")
        told = rf"worker \d \(pid {pid}\) has not answered for 3 s, and is killed"
        assert len(program.wait_for(told)) == 1
        program.wait_for(rf"worker \d \(pid {pid}\) has died: killed by SIGABRT")
        program.wait_for(r"worker \d of 2 serves", 3)
        assert victim.request()[0] == 400
        assert other.ask("pid") in program.workers()
        assert len(program.workers()) == 2


@pytest.mark.unix
@pytest.mark.slow
def test_worker_that_is_stopped_is_replaced(tmp_path: Path) -> None:
    with Program(tmp_path, "2", arguments="unresponsive_timeout=3.0") as program:
        pid = program.workers()[0]
        os.kill(pid, signal.SIGSTOP)
        program.wait_for(rf"worker \d \(pid {pid}\) has not answered for 3 s, and is killed")
        program.wait_for(rf"worker \d \(pid {pid}\) has died: killed by SIGKILL")
        program.wait_for(r"worker \d of 2 serves", 3)
        for _ in range(10):
            Visitor(program.port).open()


@pytest.mark.unix
@pytest.mark.parametrize("is_on", [True, False])
def test_silent_worker_is_killed_unless_that_is_turned_off(
    is_on: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    serves = asyncio.Event()

    async def silent(worker: object, timeout: float) -> None:
        """Once it serves all the time is over; its successor answers for ever."""
        await serves.wait()
        serves.clear()

    def end() -> None:
        """End it when the worker was killed; if that is turned off, after a moment."""
        loop = asyncio.get_running_loop()
        if not is_on or "is killed" in caplog.text:
            loop.call_later(0.1, signal.raise_signal, signal.SIGTERM)
        else:
            loop.call_later(0.01, end)

    def ready() -> None:
        serves.set()
        end()

    monkeypatch.setattr("sockwave.workers.supervisor.until_silent", silent)
    supervisor = Supervisor(
        [sys.executable, "-c", READY],
        [socket.create_server(("127.0.0.1", 0))],
        patience=1.0,
        on_ready=ready,
        unresponsive_timeout=60.0 if is_on else 0.0,
    )
    assert asyncio.run(supervisor.run()) == 0
    assert ("has not answered for 60 s, and is killed" in caplog.text) is is_on


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), "60", True])
def test_time_that_is_none_is_refused(seconds: object) -> None:
    with pytest.raises((ValueError, TypeError), match="unresponsive_timeout"):
        Server().run(unresponsive_timeout=seconds)  # type: ignore[arg-type]
