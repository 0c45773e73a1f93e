"""Our own server in a thread of its own, for clients that block."""

from __future__ import annotations

import asyncio
import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.client.servers import native_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sockwave import Server


@contextmanager
def server_in_a_thread(io: Server | None = None) -> Iterator[str]:
    """Run a server, or the one that behaves as `interop/servers/behaviour.cjs`; gives its URL."""
    started: queue.SimpleQueue[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]]
    started = queue.SimpleQueue()

    async def serve() -> None:
        stop = asyncio.Event()
        async with (io or native_server()).listen() as listener:
            started.put((listener.url, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    url, loop, stop = started.get(timeout=40)
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(40)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with server_in_a_thread() as url:
        yield url
