"""The watchdog names who keeps the event loop, and nobody else."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from sockwave import Server
from sockwave.engine.server import watchdog
from tests.support.fronts import NATIVE
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

SECONDS = 0.05
LONG = 6 * SECONDS


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def ask(handler: Callable[..., Any], times: int = 1, **options: Any) -> None:
    """Let a client run a handler, and wait for its answers."""

    async def run() -> None:
        io = Server(**{"block_warning": SECONDS, **options})
        io.on("connection", lambda socket: socket.on("event", handler))
        async with NATIVE.serve(io) as wire:
            peer = await wire.open_websocket()
            await peer.connect()
            await peer.send(*[f'42{number}["event"]' for number in range(times)])
            for _ in range(times):
                assert str(await peer.receive()).startswith("43")

    asyncio.run(run())


def slow() -> None:
    time.sleep(LONG)


async def slow_in_a_coroutine() -> None:
    await asyncio.sleep(0.01)
    slow()


async def waits() -> None:
    await asyncio.sleep(LONG)


def quick() -> None:
    sum(range(2_000))


def test_function_that_blocks_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    ask(slow)
    (text,) = warnings(caplog)
    assert text.startswith("tests.engine.server.test_watchdog.slow keeps the event loop busy")
    assert f"more than {SECONDS:g} s" in text


def test_coroutine_that_blocks_is_named(caplog: pytest.LogCaptureFixture) -> None:
    ask(slow_in_a_coroutine)
    (text,) = warnings(caplog)
    assert ".slow_in_a_coroutine keeps" in text


def test_coroutine_that_waits_is_not_named(caplog: pytest.LogCaptureFixture) -> None:
    ask(waits)
    assert not warnings(caplog)


def test_many_quick_functions_are_not_named(caplog: pytest.LogCaptureFixture) -> None:
    ask(quick, 5_000, block_warning=0.2)
    assert not warnings(caplog)


def test_nobody_looks_when_it_is_off(caplog: pytest.LogCaptureFixture) -> None:
    ask(slow, block_warning=None)
    assert not warnings(caplog)


def test_thread_ends_with_the_last_session() -> None:
    asyncio.run(open_and_close())


async def open_and_close() -> None:
    def watchdogs() -> int:
        return sum(thread.name == "sockwave watchdog" for thread in threading.enumerate())

    await until(lambda: not watchdogs())
    async with NATIVE.serve(Server(block_warning=SECONDS)) as wire:
        for _ in range(2):
            peer = await wire.open_websocket()
            await peer.connect()
            assert watchdogs() == 1
            await peer.websocket.http.close()
            await until(lambda: not watchdogs())


# --- CPython's own trap ---------------------------------------------------------------------------

RUSH = """
import gc, sys, threading, time, weakref
from sockwave.engine.server.watchdog import _application

class Node: ...

def garbage():
    node = Node()
    node.me = node
    return weakref.ref(node, lambda _: sum(range(50)))

def look():
    while time.monotonic() < end:
        _application(threading.main_thread().ident)

end = time.monotonic() + 2
gc.set_threshold(2, 1, 1)
sys.setswitchinterval(1e-6)
lookers = [threading.Thread(target=look, daemon=True) for _ in range(2)]
for looker in lookers:
    looker.start()
while time.monotonic() < end:
    kept = [garbage() for _ in range(20)]
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
for looker in lookers:  # none collects while it looks
    looker.join()
print(gc.isenabled())
"""


def test_looking_does_not_stop_the_process_where_threads_end_and_garbage_is_collected() -> None:
    """Without care about one run in two never ended, on CPython 3.11."""
    command = [sys.executable, "-c", RUSH]
    result = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    assert result.stdout == "True\n"


def test_frames_of_a_thread_are_seen_while_they_come_and_go() -> None:
    """A frame that returned meanwhile once led to a dictionary, on CPython 3.11."""
    has_begun, is_over = threading.Event(), threading.Event()

    def outer() -> None:
        has_begun.set()
        while not is_over.is_set():
            inner(5)

    def inner(depth: int) -> None:
        if depth:
            inner(depth - 1)

    thread = threading.Thread(target=outer)
    thread.start()
    has_begun.wait()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        assert thread.ident is not None
        for _ in range(20_000):
            frames = watchdog._stack(thread.ident)
            assert {type(frame) for frame in frames} == {FrameType}
            assert frames[-1].f_code.co_name == "_bootstrap"
            assert frames[-4].f_code is outer.__code__
    finally:
        is_over.set()
        sys.setswitchinterval(interval)
        thread.join()
    assert watchdog._stack(-1) == []


def test_looking_leaves_the_garbage_collector_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def frames() -> dict[int, Any]:
        seen.append(gc.isenabled())
        return {}

    monkeypatch.setattr(sys, "_current_frames", frames)
    watchdog._application(threading.get_ident())
    assert gc.isenabled()
    gc.disable()
    try:
        watchdog._application(threading.get_ident())
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert seen == [False, False]
