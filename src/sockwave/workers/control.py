"""What a supervisor and its workers tell each other: lines on a pair of sockets.

From the worker: `ready`, once, and `here` as the answer to `ask`, with which the supervisor finds
out whether it stands still; before it is ready also `udp`, if it reads the UDP port of its place.
From the supervisor also: `drain SECONDS NUMBER`, when another worker is there in its place, which
has that number, and `udp` behind it, if that one reads the UDP port. The end of the pair says that
the other side is gone, however that came.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Final, NamedTuple, Protocol

__all__ = [
    "ASK",
    "HERE",
    "READY",
    "TAKES_UDP",
    "ControlLine",
    "Drain",
    "connect_control",
    "control_socket",
    "drain_line",
    "drain_of",
    "receive_socket",
    "send_socket",
]

READY: Final = "ready"
ASK: Final = "ask"
HERE: Final = "here"
TAKES_UDP: Final = "udp"
_DRAIN: Final = "drain "
_LONGEST_LINE: Final = 256
_WITH_SOCKET: Final = b"u"


class Drain(NamedTuple):
    """What a worker is told that is to go.

    Attributes:
        seconds: Its time.
        successor: Number of the worker that is there for new clients.
        takes_udp: Whether that one reads the UDP port of the place.
    """

    seconds: float
    successor: int
    takes_udp: bool


def drain_line(drain: Drain) -> str:
    """Tell a worker to go, in its own time."""
    takes = f" {TAKES_UDP}" if drain.takes_udp else ""
    return f"{_DRAIN}{drain.seconds:g} {drain.successor}{takes}"


def drain_of(line: str) -> Drain | None:
    """What such a line says; None if it is another."""
    if not line.startswith(_DRAIN):
        return None
    seconds, successor, *more = line.removeprefix(_DRAIN).split(" ")
    return Drain(float(seconds), int(successor), TAKES_UDP in more)


class Listening(Protocol):
    """Who hears the other side."""

    def line_received(self, line: str) -> None:
        """It has said something."""

    def other_gone(self) -> None:
        """It will say nothing more."""


class ControlLine(asyncio.Protocol):
    """One side."""

    def __init__(self, listening: Listening) -> None:
        self._listening = listening
        self._transport: asyncio.Transport | None = None
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport = transport  # type: ignore[assignment] # uvloop's is no asyncio.Transport

    def data_received(self, data: bytes) -> None:
        """Take whole lines."""
        *lines, self._read = (self._read + data)[-_LONGEST_LINE:].split(b"\n")
        for line in lines:
            self._listening.line_received(line.decode("ascii", "replace"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The other is gone, or this side has closed."""
        self._transport = None
        self._listening.other_gone()

    def say(self, line: str) -> None:
        """Send a line; nothing happens when the other is gone."""
        if self._transport is not None:
            self._transport.write(line.encode() + b"\n")

    def close(self) -> None:
        """Say nothing more."""
        if self._transport is not None:
            self._transport.close()


async def connect_control(sock: socket.socket, listening: Listening) -> ControlLine:
    """Speak with the other side; the socket belongs to this function."""
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    _, line = await loop.connect_accepted_socket(lambda: ControlLine(listening), sock)
    return line


def control_socket(descriptor: int) -> socket.socket:
    """The worker's end, which no process that it starts is to have."""
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)


def send_socket(control: socket.socket, sock: socket.socket) -> None:
    """Give a worker that begins a socket, before anything is said.

    It does not inherit this one: what its program forks would have it, too, and keep a UDP port
    when all others have ended, since nobody can end such a port for all who have it.

    Raises:
        OSError: Descriptors are short.
    """
    socket.send_fds(control, [_WITH_SOCKET], [sock.fileno()])


def receive_socket(control: socket.socket) -> socket.socket:
    """Take what `send_socket` gives.

    Raises:
        OSError: It has not come.
    """
    _, descriptors, _, _ = socket.recv_fds(control, len(_WITH_SOCKET), 1)
    if not descriptors:
        raise ConnectionError("the supervisor has given no socket")
    os.set_inheritable(descriptors[0], False)
    return socket.socket(fileno=descriptors[0])
