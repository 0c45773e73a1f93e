"""The server under attack, in a process of its own.

    python -m tests.security.app FRONT PORT CONTROL OPTIONS

FRONT is `native`, `hosted` or `asgi`; OPTIONS a dict of Python literals, with those of
`limit_process` under the name `process`. On the port CONTROL it
takes one command a line, in JSON, and answers with a line: so a test counts what is left of an
attack, and makes the server do its part in one.
"""

from __future__ import annotations

import ast
import asyncio
import ctypes
import gc
import json
import logging
import os
import re
import resource
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from sockwave import ConnectError, Limits, RateLimits, Server, Socket
from sockwave.platform import new_event_loop
from sockwave.socketio.core.adapter import InMemoryAdapter
from tests.support.fronts import hello

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from sockwave import Namespace
    from sockwave.engine.server.fronts.asgi import Receive, Scope, Send

M_ARENA_MAX: Final = -8
"""Parameter of glibc's `mallopt`."""

TICK: Final = 0.002
"""Seconds between two looks at the clock of the processor."""

_UVICORN: Final[dict[str, Any]] = {
    "log_config": None,
    "access_log": False,
    "lifespan": "on",
    "ws": "websockets-sansio",
    "ws_ping_interval": None,  # the clients of these tests take no pings but those of Engine.IO
}

_TOGETHER: Final = {"limits": Limits, "rate_limits": RateLimits}
"""Options that are objects; they come as dicts."""

SLOW_ORIGIN: Final = re.compile(r"https://slow(.*)(.*)(.*)\.example")
SLOW_NAME: Final = re.compile(r"/slow(.*)(.*)(.*)!")
"""Patterns that take the third power of the length of what they do not match."""


def make_server(**options: Any) -> tuple[Server, Counter[str]]:
    """Make the server that is attacked, and the count of its handlers' runs by event."""
    for name, kind in _TOGETHER.items():
        if name in options:
            options[name] = kind(**options[name])
    if "cors" in options and "patterns" in options["cors"]:
        origins = [*options["cors"]["origin"], *map(re.compile, options["cors"].pop("patterns"))]
        options["cors"]["origin"] = [*origins, SLOW_ORIGIN]
    io = Server(**options)
    runs: Counter[str] = Counter()

    def serve(socket: Socket) -> None:
        socket.on("honest", lambda number: number)

        @socket.on_any
        def count(event: Any, *args: Any) -> None:
            if event != "honest":
                runs[str(event)] += 1

        @socket.on("echo")
        def echo(*args: Any) -> Any:
            return args

        @socket.on("block")
        def block(seconds: float) -> None:
            time.sleep(seconds)

        @socket.on("exhaust")
        def exhaust(size: int) -> int:
            return len(bytearray(size))

        @socket.on("wait")
        async def wait(seconds: float = 1.0, *_: Any) -> None:
            await asyncio.sleep(seconds)

        @socket.on("busy")
        def busy(seconds: float) -> None:
            end = time.thread_time() + seconds
            while time.thread_time() < end:
                pass

        socket.on("join", lambda names: socket.join(*names))

        @socket.on("leave")
        def leave(names: list[str]) -> None:
            for name in names:
                socket.leave(name)

    io.on("connection", serve)
    io.of(re.compile(r"/dyn-\d+")).on("connection", serve)
    io.of(SLOW_NAME).on("connection", serve)
    refusing, stuck = io.of("/refusing"), io.of(re.compile(r"/stuck(-\d+)?"))
    refusing.on("connection", serve)

    @refusing.use
    async def refuse(socket: Socket) -> None:
        await asyncio.sleep(1)
        raise ConnectError("refused")

    @stuck.use
    async def wait_for_ever(socket: Socket) -> None:
        await asyncio.Event().wait()

    return io, runs


class Control:
    """Counts and commands.

    Args:
        io: The server.
        runs: Of its handlers.
    """

    def __init__(self, io: Server, runs: Counter[str]) -> None:
        self._io = io
        self._runs = runs
        self._open = 0
        self._stall = 0.0
        self._turned = time.thread_time()

    async def watch(self) -> None:
        """Keep the most processor time that passed between two turns of a ticking task.

        Ends with the process that has started this one, however that ends.
        """
        self._turned = time.thread_time()
        parent = os.getppid()
        while os.getppid() == parent:
            await asyncio.sleep(TICK)
            now = time.thread_time()
            self._stall = max(self._stall, now - self._turned)
            self._turned = now
        os._exit(1)

    def _collect(self) -> None:
        """Leave no garbage; the time that it takes is the judge's own."""
        began = time.thread_time()
        gc.collect()
        self._turned += time.thread_time() - began

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer commands on one connection."""
        self._open += 1
        while line := await reader.readline():
            command = json.loads(line)
            try:
                answer: Any = {"result": await self._run(command)}
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            writer.write(json.dumps(answer).encode() + b"\n")
        self._open -= 1
        writer.close()

    async def _run(self, command: dict[str, Any]) -> Any:
        name, arguments = command["command"], command.get("arguments", {})
        if name == "begin":
            self._runs.clear()
            self._collect()
            await asyncio.sleep(2 * TICK)
            self._stall = 0.0
            return self.counts()
        if name == "counts":
            self._collect()
            return self.counts()
        if name == "outcome":
            return {"runs": dict(self._runs), "stall": self._stall}
        module, _, function = name.rpartition(".")
        return await getattr(import_module(module), function)(self._io, **arguments)

    def counts(self) -> dict[str, int]:
        """What must be as it was when an attacker has left."""
        driver = self._io.engine.driver
        namespaces = self._io.namespaces.values()
        sockets = [socket for each in namespaces for socket in each.sockets.values()]
        return {
            "sessions": len(self._io.engine.sessions),
            "connections": len(driver.connections),
            "namespaces": len(namespaces),
            "sockets": len(sockets),
            "rooms": sum(len(rooms_of(each)) for each in namespaces),
            "acks": sum(map(acks_of, sockets)),
            "backlog": driver.backlog,
            "pending": self._io.pending.total,
            "timers": len(driver._wheel),
            "tasks": len(asyncio.all_tasks()),
            "descriptors": len(os.listdir("/proc/self/fd")) - self._open,
        }


def rooms_of(namespace: Namespace) -> Collection[str]:
    """Rooms that somebody is in."""
    adapter = namespace.adapter
    assert isinstance(adapter, InMemoryAdapter)
    return adapter.rooms


def acks_of(socket: Socket) -> int:
    """Acknowledgements that a socket owes."""
    return 0 if socket._acks is None else len(socket._acks)


@asynccontextmanager
async def controlled(control: Control, port: int) -> AsyncIterator[asyncio.Task[None]]:
    """Take commands on a port of its own; yields the task that watches the turns of the loop."""
    watch = asyncio.create_task(control.watch())
    async with await asyncio.start_server(control.serve, "127.0.0.1", port, limit=2**24):
        yield watch


async def serve(front: str, port: int, control_port: int, options: dict[str, Any]) -> None:
    """Serve until the process is ended."""
    io, runs = make_server(**options)
    async with controlled(Control(io, runs), control_port) as watch:
        if front == "native":
            async with io.listen(port=port):
                await watch
        elif front == "asgi":
            await uvicorn.Server(uvicorn.Config(io.wrap(hello), port=port, **_UVICORN)).serve()
        else:
            raise ValueError(f"no such front end: {front}")


def serve_hosted(port: int, control_port: int, options: dict[str, Any]) -> None:
    """The same with another application behind the listener."""
    io, runs = make_server(**options)
    control = Control(io, runs)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            async with controlled(control, control_port):
                await hello(scope, receive, send)
        else:
            await hello(scope, receive, send)

    io.run(port=port, app=app, uvicorn_options=_UVICORN)


def limit_process(*, descriptors: int | None = None, more_memory: int | None = None) -> None:
    """Take something from this process, as an operating system may.

    Args:
        descriptors: How many it may have.
        more_memory: Bytes of address space beyond those that it has now.
    """
    if descriptors is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    if more_memory is not None:
        # Else each thread reserves 64 MB of address space that it never uses.
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
        with open("/proc/self/statm") as file:
            size = int(file.read().split()[0]) * resource.getpagesize() + more_memory
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def main() -> None:
    """Serve as the command line says."""
    front, port, control_port, literals = sys.argv[1:]
    options = ast.literal_eval(literals)
    limit_process(**options.pop("process", {}))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    if options.pop("debug", False):
        logging.getLogger("sockwave").setLevel(logging.DEBUG)
    if front == "hosted":
        serve_hosted(int(port), int(control_port), options)
        return
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve(front, int(port), int(control_port), options))


if __name__ == "__main__":
    main()
