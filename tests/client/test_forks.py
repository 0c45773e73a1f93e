"""A client belongs to the process that made it: in a forked child every call says so."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.sync.conftest import server_in_a_thread
from tests.sync.test_sync import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_CHILD = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of os.fork() beside threads
import sockwave, sockwave.sync
url = sys.argv[1]

def in_child(calls):
    if os.fork():
        assert os.wait()[1] == 0
        return
    try:
        for name, call in calls.items():
            try:
                call()
            except RuntimeError as error:
                print(name, "refused" if "after a fork" in str(error) else error)
            else:
                print(name, "returned")
        with sockwave.sync.connect(url) as own:
            print("own", own.emit_with_ack("ack", 1, timeout=40))
        sys.stdout.flush()
    finally:
        os._exit(sys.exc_info()[0] is not None)
"""

BLOCKING = """
manager = sockwave.sync.Manager(url, handler_threads=2)
socket = manager.socket()
socket.wait_connected(40)
events = socket.events("echo")
in_child({
    "emit": lambda: socket.emit("log", 1),
    "emit with attachment": lambda: socket.emit("log", b"1"),
    "emit with callback": lambda: socket.emit("log", 1, ack=print),
    "volatile": lambda: socket.volatile.emit("log", 1),
    "send": lambda: socket.send(1),
    "emit_with_ack": lambda: socket.emit_with_ack("ack", 1),
    "drain": socket.drain,
    "connect": socket.connect,
    "disconnect": socket.disconnect,
    "wait_connected": socket.wait_connected,
    "events": socket.events,
    "next": lambda: next(events),
    "events.close": events.close,
    "on": lambda: socket.on("x", print),
    "once": lambda: socket.once("x", print),
    "off": lambda: socket.off("x"),
    "on_any": lambda: socket.on_any(print),
    "manager.socket": lambda: manager.socket("/chat"),
    "manager.on": lambda: manager.on("open", print),
    "manager.on_error": lambda: manager.on_error(print),
    "enter": lambda: socket.__enter__(),
})
assert socket.emit_with_ack("get_log", timeout=40) == []
socket.close()
manager.close()
"""

ASYNCIO = """
import asyncio

async def main():
    socket = sockwave.connect(url)
    await socket.wait_connected(40)
    events = socket.events("echo")
    step = lambda coroutine: coroutine.send(None)
    in_child({
        "emit": lambda: socket.emit("log", 1),
        "emit with attachment": lambda: socket.emit("log", b"1"),
        "emit with callback": lambda: socket.emit("log", 1, ack=print),
        "volatile": lambda: socket.volatile.emit("log", 1),
        "send": lambda: socket.send(1),
        "emit_with_ack": lambda: step(socket.emit_with_ack("ack", 1)),
        "drain": lambda: step(socket.drain()),
        "connect": socket.connect,
        "disconnect": socket.disconnect,
        "wait_connected": lambda: step(socket.wait_connected()),
        "events": socket.events,
        "next": lambda: step(anext(events).__await__()),
        "aclose": lambda: step(socket.aclose()),
        "manager.socket": lambda: socket.manager.socket("/chat"),
        "manager.open": lambda: step(socket.manager.open()),
        "manager.close": lambda: step(socket.manager.close()),
    })
    assert await socket.emit_with_ack("get_log", timeout=40) == []
    await socket.aclose()

asyncio.run(main())
"""

SERVER = """
import asyncio

async def main():
    io = sockwave.Server()
    async with io.listen() as listener:
        joined = asyncio.Event()
        io.on("connection", lambda socket: joined.set())
        async with sockwave.connect(listener.url):
            await joined.wait()
            in_child({
                "emit": lambda: io.emit("x"),
                "to": lambda: io.to("room").emit("x"),
                "disconnect_sockets": lambda: io.disconnect_sockets(),
            })

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with server_in_a_thread() as url:
        yield url


@pytest.mark.unix
@pytest.mark.parametrize(
    ("script", "calls"),
    [(BLOCKING, 21), (ASYNCIO, 16), (SERVER, 3)],
    ids=["blocking client", "asyncio client", "server"],
)
def test_every_call_in_a_forked_child_is_refused_and_the_parent_goes_on(
    url: str, script: str, calls: int
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", IN_CHILD + script, url],
        cwd=ROOT,
        timeout=40,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")
    *told, own = run.stdout.splitlines()
    assert len(told) == calls
    assert [line for line in told if not line.endswith(" refused")] == []
    assert own == "own 1"
