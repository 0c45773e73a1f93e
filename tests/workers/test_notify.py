"""What systemd is told, by the datagrams that come."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import pytest

from sockwave.workers.notify import keep_watchdog, notify, watchdog_interval
from tests.cli.process import SockwaveProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.unix


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield told


def test_state_is_a_datagram(systemd: socket.socket) -> None:
    notify("READY=1")
    assert systemd.recv(100) == b"READY=1"


def test_nothing_happens_where_nobody_wants_to_know(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(100)


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [
        ("30000000", "", 15.0),
        ("30000000", "own", 15.0),
        ("30000000", "1", None),  # of a parent, whose variables this process has
        ("0", "", None),
        ("soon", "", None),
        ("", "", None),
    ],
)
def test_sign_of_life_is_due_twice_within_the_time(
    monkeypatch: pytest.MonkeyPatch, microseconds: str, pid: str, seconds: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert watchdog_interval() == seconds


async def test_signs_of_life_come_again_and_again(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "2000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    systemd.setblocking(False)
    task = asyncio.create_task(keep_watchdog())
    for _ in range(3):
        assert await asyncio.get_running_loop().sock_recv(systemd, 100) == b"WATCHDOG=1"
    task.cancel()


async def test_nobody_is_told_without_a_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    await keep_watchdog()


def test_supervisor_of_workers_keeps_the_watchdog(
    systemd: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    (tmp_path / "sw_watched.py").write_text("from sockwave import Server\n\nio = Server()\n")
    port = free_port()
    command = ["run", "sw_watched:io", "--port", str(port), "--workers", "1"]
    with SockwaveProcess(*command, directory=tmp_path, port=port) as process:
        told = [systemd.recv(100)]
        while told[-3:] != [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]:
            told.append(systemd.recv(100))
        assert process.interrupt() == 0
