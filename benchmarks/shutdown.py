"""SIGTERM to a server with many clients: who hears the last words, and how long it takes.

    python -m benchmarks.shutdown [--clients 10000] [--drain 10]

The server runs in its own process, its clients are WebSockets in this one, which do nothing but
read and answer the close frame. It is stopped twice: without a drain, and with one. Heartbeats are
off, so that nothing else is sent.
"""

from __future__ import annotations

import argparse
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.load import UPGRADE
from sockwave.codec.websocket import client_frame, encode_close

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
CLIENTS: Final = 10_000
DRAIN: Final = 10.0
SPARE: Final = 64
"""File descriptors that are not connections."""

BINS: Final = 10
LAST_WORDS: Final = b'42["we restart"]'
CLOSE_FRAME: Final = b"\x88\x00"
LONGEST: Final = 60.0
"""Seconds, beside the drain, after which the measure gives up."""


@dataclass
class Outcome:
    """How a shutdown went; times are seconds from the signal.

    Attributes:
        clients: How many there were.
        drain_period: Of the server.
        exit_code: Of its process; None when it did not end.
        exited: When its process had ended.
        refused: When the port was found closed.
        last_words: How many clients got the last message.
        goodbyes: When close frames came, in order.
    """

    clients: int
    drain_period: float
    exit_code: int | None = None
    exited: float = 0.0
    refused: float = 0.0
    last_words: int = 0
    goodbyes: list[float] = field(default_factory=list)


class Client:
    """A WebSocket in the main namespace."""

    __slots__ = ("heard", "socket", "tail")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.tail = b""
        self.heard = False
        self.socket.sendall(UPGRADE + client_frame(b"40"))
        answer = b""
        while b'40{"sid"' not in answer:
            data = self.socket.recv(4096)
            if not data:
                raise SystemExit(f"the server took no more clients: {answer!r}")
            answer += data
        self.socket.setblocking(False)

    def read(self) -> bool:
        """Take what has come; return whether that was the end."""
        try:
            data = self.socket.recv(65_536)
        except BlockingIOError:
            return False
        except ConnectionError:
            data = b""
        self.tail += data
        self.heard = self.heard or LAST_WORDS in self.tail
        return not data or self.tail.endswith(CLOSE_FRAME)

    def answer(self) -> bool:
        """Say goodbye too; return whether the server had."""
        with suppress(OSError):
            self.socket.sendall(encode_close(None, mask=True))
        self.socket.close()
        return self.tail.endswith(CLOSE_FRAME)


def serve(drain_period: float) -> None:
    """Be the server."""
    from sockwave import Server

    io = Server(ping_interval=3600.0, drain_period=drain_period)
    io.engine.on("closing", lambda: io.emit("we restart"))
    io.run(port=0, on_listening=lambda listener: print(listener.port, flush=True))


@contextmanager
def server(drain_period: float) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a server; gives its process and its port."""
    command = [sys.executable, "-m", "benchmarks.shutdown", "--serve", str(drain_period)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def is_refused(port: int) -> bool:
    """Whether nobody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


def stop_server(count: int, drain_period: float) -> Outcome:
    """Connect the clients, stop the server, and watch."""
    outcome = Outcome(count, drain_period)
    with server(drain_period) as (process, port), selectors.DefaultSelector() as selector:
        for _ in range(count):
            client = Client(port)
            selector.register(client.socket, selectors.EVENT_READ, client)
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        while time.monotonic() - begin < LONGEST + drain_period:
            for key, _ in selector.select(0.005):
                client = key.data
                if not client.read():
                    continue
                selector.unregister(client.socket)
                outcome.last_words += client.heard
                if client.answer():
                    outcome.goodbyes.append(time.monotonic() - begin)
            if not outcome.refused and is_refused(port):
                outcome.refused = time.monotonic() - begin
            outcome.exit_code = process.poll()
            if outcome.exit_code is not None and not selector.get_map():
                break
            if not outcome.exited and outcome.exit_code is not None:
                outcome.exited = time.monotonic() - begin
        outcome.exited = outcome.exited or time.monotonic() - begin
    return outcome


def histogram(times: Sequence[float], period: float) -> list[int]:
    """How many fall into each tenth of the period; what comes later counts to the last one."""
    counts = [0] * BINS
    for each in times:
        counts[min(int(each / period * BINS), BINS - 1)] += 1
    return counts


def rows(outcome: Outcome) -> list[tuple[str, str]]:
    """The outcome for people: what, and its value."""
    count = outcome.clients
    goodbyes = outcome.goodbyes
    lines = [
        ("clients", f"{count:,}"),
        ("exit code", str(outcome.exit_code)),
        ("exit after", f"{outcome.exited:.2f} s"),
        ("port closed after", f"{outcome.refused:.2f} s"),
        ("clients that got the last message", f"{outcome.last_words:,}"),
        ("clients that got the close frame", f"{len(goodbyes):,}"),
    ]
    if goodbyes:
        lines.append(("close frames from, to", f"{goodbyes[0]:.2f} s, {goodbyes[-1]:.2f} s"))
    if outcome.drain_period:
        spread = " ".join(f"{n:,}" for n in histogram(goodbyes, outcome.drain_period))
        lines.append((f"close frames in each {outcome.drain_period / BINS:g} s", spread))
    return lines


def allow_clients(count: int) -> int:
    """Raise the limit of file descriptors; return how many clients fit, `count` at most."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(count, hard - 2 * SPARE)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--drain", type=float, default=DRAIN, metavar="SECONDS")
    parser.add_argument("--serve", type=float, metavar="SECONDS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(arguments.serve)
        return
    count = allow_clients(arguments.clients)
    if count < arguments.clients:
        print(f"{count:,} clients: the limit of file descriptors allows no more")
    for drain_period in (0.0, arguments.drain):
        print(f"\n| drain_period={drain_period:g} | |\n|---|---|")
        for what, value in rows(stop_server(count, drain_period)):
            print(f"| {what} | {value} |", flush=True)


if __name__ == "__main__":
    main()
