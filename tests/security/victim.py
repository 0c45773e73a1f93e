"""A client under attack, in a process of its own: `python -m tests.security.victim`.

It takes a command a line on standard input, in JSON, and answers with a line.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
import time
from typing import Any

from sockwave import ClientSocket, WebSocketError, connect
from sockwave.platform import new_event_loop
from tests.security.app import TICK
from tests.support import heap


class Victim:
    """One client at a time, and what became of it."""

    def __init__(self) -> None:
        self._socket: ClientSocket | None = None
        self._problems: list[str] = []
        self._stall = 0.0
        self._release = asyncio.Event()
        self._forget()

    def _forget(self) -> None:
        self._events = 0
        self._values: list[str] = []
        self._lost: list[list[str]] = []
        self._errors: list[list[str]] = []

    async def watch(self) -> None:
        """Keep the most processor time that passed between two turns of a ticking task."""
        before = time.thread_time()
        while True:
            await asyncio.sleep(TICK)
            now = time.thread_time()
            self._stall = max(self._stall, now - before)
            before = now

    def problem(self, text: str) -> None:
        """Something went wrong that nobody handled."""
        self._problems.append(text)

    async def attack(self, url: str, handler: str, options: dict[str, Any]) -> None:
        """Connect to a server; `handler` is `plain`, or `waits` for `release`.

        A client that is there still, since a test was cut short, would speak in the next one.
        """
        await self.end()
        self._problems.clear()
        self._forget()
        self._release.clear()
        self._stall = 0.0
        socket = self._socket = connect(url, **options)
        socket.on("disconnect", self._disconnected)
        socket.on("connect_error", lambda error: self._errors.append(_told(error)))

        @socket.on_any
        def count(event: Any, *args: Any) -> None:
            self._events += 1
            if len(self._values) < 20:
                self._values.append(repr((event, *args))[:200])

        if handler == "waits":

            @socket.on("flood")
            async def wait(*args: Any) -> None:
                await self._release.wait()

    def _disconnected(self, reason: str, error: Exception | None) -> None:
        self._lost.append([str(reason), *_told(error)])

    async def release(self) -> None:
        """Let the handlers that wait end."""
        self._release.set()

    async def report(self) -> dict[str, Any]:
        """What was seen since `attack`."""
        return {
            "events": self._events,
            "values": self._values,
            "lost": self._lost,
            "errors": self._errors,
            "stall": self._stall,
            "problems": self._problems,
            "connected": self._socket is not None and self._socket.connected,
        }

    async def end(self) -> None:
        """Be done with the client."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.aclose()

    async def freeze(self) -> None:
        """Everything is loaded: the collector has no more to go through than what comes now."""
        gc.collect()
        gc.freeze()

    async def in_use(self) -> int:
        """Bytes that are allocated."""
        return heap.in_use()

    async def counts(self) -> dict[str, int]:
        """What must be as before."""
        heap.trim()  # what earlier attacks have freed must not hide what a later one takes
        await asyncio.sleep(2 * TICK)  # its time is not the attack's
        return {
            "tasks": len(asyncio.all_tasks()),
            "descriptors": len(os.listdir("/proc/self/fd")),
        }


def _told(error: BaseException | None) -> list[str]:
    """An error as classes and text, down to its causes."""
    told: list[str] = []
    while error is not None:
        code = f" {error.code}" if isinstance(error, WebSocketError) else ""
        told += [type(error).__name__ + code, str(error)[:200]]
        assert error.__cause__ is not error  # who walks the chain would never come to its end
        error = error.__cause__
    return told


class _Problems(logging.Handler):
    def __init__(self, victim: Victim) -> None:
        super().__init__(logging.WARNING)
        self._victim = victim

    def emit(self, record: logging.LogRecord) -> None:
        if record.module == "connection_log":
            return  # which tells that the server is to blame
        self._victim.problem(record.getMessage())


async def main() -> None:
    """Obey until standard input ends."""
    victim = Victim()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: victim.problem(str(context)))
    logging.getLogger().addHandler(_Problems(victim))
    reader = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    watch = loop.create_task(victim.watch())
    while line := await reader.readline():
        command = json.loads(line)
        result = await getattr(victim, command["do"])(**command["arguments"])
        print(json.dumps(result), flush=True)
    watch.cancel()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
