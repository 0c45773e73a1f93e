"""What differs between systems: one module asks for it, and says what to do without."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import sockwave
from sockwave import platform
from sockwave.engine.client.options import ClientEngineOptions

PACKAGE = Path(sockwave.__file__).parent

OF_A_PLATFORM = re.compile(
    r"^\s*(?:import|from) (?:resource|fcntl|uvloop|termios|tty|pty|pwd|grp|winreg|msvcrt)\b"
    r"|sys\.platform|os\.name\b|add_signal_handler|signal\.signal\(signal|AF_UNIX|SO_REUSE"
    r"|register_at_fork|getrlimit|CLOCK_BOOTTIME|\b_?winapi\b",
    re.MULTILINE,
)

pytestmark = pytest.mark.unix


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "name", "win32")


def test_nothing_but_one_module_asks_what_it_runs_on() -> None:
    asking = {
        str(path.relative_to(PACKAGE)): found[0]
        for path in PACKAGE.rglob("*.py")
        if (found := OF_A_PLATFORM.search(path.read_text()))
    }
    assert list(asking) == ["platform.py"]


def test_limit_of_descriptors_leaves_some_to_the_rest_of_the_process() -> None:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert platform.open_files_limit() == soft
    assert sockwave.Server().engine.driver.max_connections == soft - 64


def test_infinite_limits_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda which: infinite)
    assert platform.open_files_limit() is None
    assert sockwave.Server().engine.driver.max_connections == 65_536


@pytest.mark.usefixtures("windows")
def test_unix_path_is_refused_at_once_where_there_are_no_unix_sockets() -> None:
    async def listen() -> None:
        async with sockwave.Server().listen(unix_path="chat.sock"):
            pass

    with pytest.raises(ValueError, match="no Unix sockets on this system"):
        asyncio.run(listen())
    with pytest.raises(ValueError, match="no Unix sockets on this system"):
        ClientEngineOptions(unix_path="chat.sock")


@pytest.mark.parametrize(("name", "reuses"), [("linux", True), ("darwin", True), ("win32", False)])
def test_port_is_never_shared_on_windows(
    monkeypatch: pytest.MonkeyPatch, name: str, reuses: bool
) -> None:
    monkeypatch.setattr(platform, "name", name)
    with socket.socket() as sock:
        platform.keep_port_after_restart(sock)
        assert bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)) is reuses


@pytest.mark.parametrize("prefix", ["", "error while attempting to bind on address ('::1', 80): "])
def test_reason_of_an_error_is_what_the_system_says(
    monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    said = os.strerror(errno.EADDRINUSE).lower()
    assert platform.reason_of(OSError(errno.EADDRINUSE, f"{prefix}{said}")) == said
    assert platform.reason_of(OSError("no number")) == "no number"
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert platform.reason_of(unknown) == "name or service not known"
    monkeypatch.setattr(platform, "name", "win32")
    text = "Only one usage of each socket address is normally permitted."
    assert platform.reason_of(OSError(10_048, f"{prefix}{text}")) == text[:-1].lower()


@pytest.mark.parametrize("name", ["linux", "win32"])
def test_first_signal_is_a_wish_and_handlers_before_come_back(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(platform, "name", name)

    async def serve() -> None:
        stop = asyncio.Event()
        with platform.stopping_on_signals(stop.set):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(stop.wait(), 10)
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    asyncio.run(serve())
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_signals_are_left_alone_in_another_thread() -> None:
    seen = []

    async def serve() -> None:
        with platform.stopping_on_signals(lambda: None):
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.usefixtures("windows")
def test_clock_of_the_client_needs_nothing_of_linux() -> None:
    assert platform.awake_clock() > 0


HEAP = """
import ctypes, os, sys
from sockwave import platform

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "a o s h m u f r d keep".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
if sys.argv[1:]:
    platform.keep_freed_memory()
kept = [os.urandom(50_000) for _ in range(100)]
kept.clear()
print(libc.mallinfo2().keep)
"""
"""Prints how much of freed memory the C library has at the end of its heap."""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="another C library")
def test_process_of_ours_keeps_freed_memory_unless_told_otherwise() -> None:
    def kept(*arguments: str, **environment: str) -> int:
        command = [sys.executable, "-c", HEAP, *arguments]
        clean = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
        run = subprocess.run(
            command, env={**clean, **environment}, capture_output=True, text=True, check=True
        )
        return int(run.stdout)

    assert kept() < 1_000_000
    assert 4_000_000 < kept("ours") < platform.KEPT_HEAP
    assert kept("ours", MALLOC_TRIM_THRESHOLD_="131072") < 1_000_000
