"""Clients that were dropped without `close()` leave nothing behind."""

from __future__ import annotations

import gc
import queue
import threading
from typing import TYPE_CHECKING, Any

import pytest

import sockwave
import sockwave.sync
from tests.sync.conftest import server_in_a_thread

if TYPE_CHECKING:
    from collections.abc import Callable


def connected(url: str) -> sockwave.sync.Socket:
    socket = sockwave.sync.connect(url)
    socket.wait_connected(40)
    socket.on("echo", print)
    socket.on("connect", lambda: None)
    socket.manager.on_error(print)
    socket.emit("ack", 1, ack=lambda _: None)
    assert socket.emit_with_ack("ack", 1, timeout=40) == 1
    return socket


def of_a_manager(url: str) -> sockwave.sync.Socket:
    socket = sockwave.sync.Manager(url, handler_threads=2).socket("/chat")
    socket.wait_connected(40)
    return socket


def unreachable(url: str) -> sockwave.sync.Socket:
    return sockwave.sync.connect("http://127.0.0.1:9")


def iterating(url: str) -> sockwave.sync.Events:
    return connected(url).events("tick")


def drop(kept: list[Any], before: set[threading.Thread]) -> None:
    """Forget a client, whose threads end; the loop's may be the last to hold on to it."""
    threads = set(threading.enumerate()) - before
    assert threads
    kept.clear()
    gc.collect()
    for thread in threads:
        thread.join(40)
        assert not thread.is_alive()


@pytest.mark.parametrize("make", [connected, of_a_manager, unreachable, iterating])
def test_threads_of_a_dropped_client_end(url: str, make: Callable[[str], Any]) -> None:
    before = set(threading.enumerate())
    kept = [make(url)]
    gc.collect()
    with pytest.warns(ResourceWarning, match=r"unclosed <sockwave.sync.Manager 127.0.0.1:"):
        drop(kept, before)


def test_server_sees_a_dropped_client_go() -> None:
    io = sockwave.Server()
    left: queue.SimpleQueue[str] = queue.SimpleQueue()
    io.on("connection", lambda socket: socket.on("disconnect", left.put))
    with server_in_a_thread(io) as url:
        before = set(threading.enumerate())
        kept = [sockwave.sync.connect(url)]
        kept[0].wait_connected(40)
        with pytest.warns(ResourceWarning):
            drop(kept, before)
        assert left.get(timeout=40) == "client namespace disconnect"


def test_iteration_keeps_its_client(url: str) -> None:
    before = set(threading.enumerate())
    socket = connected(url)
    kept = [socket.events("tick")]
    socket.emit("burst", 2)
    del socket
    gc.collect()
    assert kept[0].get(timeout=40) == (0,)
    with pytest.warns(ResourceWarning):
        drop(kept, before)


def test_closed_client_is_collected_without_a_word(url: str) -> None:
    client = connected(url)
    client.close()
    del client
    gc.collect()
