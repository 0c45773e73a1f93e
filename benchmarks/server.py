"""The server that is measured, in a process of its own.

    python -m benchmarks.server PORT [bare | limited | typed | untyped | tls FILE] [observed=WHAT]

`observed=prometheus` counts for Prometheus, `observed=all` calls an observer of every kind that
does nothing, and `observed=nothing` is as without; `observed=records` keeps records of connections
in a version that has them. `typed` and `untyped` are for `benchmarks/typed.py`. `limited` has
every rate limit on, far above what the load does; `tls` encrypts, with the key and the certificate
of a file.

`cpu` and `memory` answer with what the process has used so far, so that nothing but Python is
needed to measure it.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sockwave import RateLimits, Server, Socket
from sockwave.platform import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS: Final = RateLimits(
    session_packets=100_000.0,
    session_bytes=1e9,
    address_packets=1e6,
    address_bytes=1e10,
    address_handshakes=1e6,
    address_sessions=100_000,
    address_connections=100_000,
)


def make_server(
    rate_limits: RateLimits | None, ping_interval: float = 25.0, **options: Any
) -> Server:
    """Make a server that answers in the ways that are measured."""
    io = Server(ping_interval=ping_interval, rate_limits=rate_limits, **options)

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("echo", lambda data: socket.emit("echo", data))
        socket.on("ack", lambda data: data)
        socket.on("fanout", lambda data: io.emit("fanout", data))
        socket.on("cpu", lambda: time.process_time())
        socket.on("memory", resident_kilobytes)

    return io


def resident_kilobytes() -> int:
    """Resident memory of this process; 0 where there is no /proc."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


class BareEcho(asyncio.Protocol):
    """Sends back what it gets: the least that a server on this loop can cost."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Send it back; `cpu` asks for the processor time."""
        if data == b"cpu":
            data = repr(time.process_time()).encode()
        self.transport.write(data)  # type: ignore[attr-defined]


def _server_of(arguments: list[str]) -> Server:
    if "typed" in arguments or "untyped" in arguments:
        from benchmarks.typed_server import make_typed_server  # others measure without it

        return make_typed_server(is_typed="typed" in arguments)
    observed = [each.removeprefix("observed=") for each in arguments if each[:9] == "observed="]
    options, watch = WAYS[observed[0] if observed else "nothing"]
    io = make_server(LIMITS if "limited" in arguments else None, **options)
    watch(io)
    return io


def _count(io: Server) -> None:
    from sockwave.metrics import PrometheusMetrics  # other versions may have none

    PrometheusMetrics(io, registry=None)


def _watch_all(io: Server) -> None:
    from sockwave.observe.kinds import KINDS

    io.observe(*KINDS)(lambda seen: None)


def _trace(io: Server) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    from sockwave.otel import OpenTelemetry

    OpenTelemetry(io, tracer_provider=TracerProvider(), sample=0.01)


WAYS: Final[dict[str, tuple[dict[str, Any], Callable[[Server], None]]]] = {
    "nothing": ({}, lambda io: None),
    "prometheus": ({}, _count),
    "all": ({}, _watch_all),
    "traced": ({}, _trace),
    "records": ({"connection_records": 1_000}, lambda io: None),
    "unrecorded": ({"connection_records": 0}, lambda io: None),
}
"""How a server can be observed: options of it, and what is done with it."""


def main() -> None:
    """Serve until the end of standard input; `bare` serves the yardstick instead."""
    port = int(sys.argv[1])

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        loop.add_reader(sys.stdin.fileno(), stop.set)
        if "bare" in sys.argv:
            server = await loop.create_server(BareEcho, "127.0.0.1", port, backlog=4096)
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await stop.wait()
            server.close()
            return
        io = _server_of(sys.argv[2:])
        tls = None
        if "tls" in sys.argv:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(sys.argv[-1])
        async with io.listen("127.0.0.1", port, ssl=tls):
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await stop.wait()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
