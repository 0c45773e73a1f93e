"""Connections on their way from one worker to another: the descriptors, by `SCM_RIGHTS`.

Theory. Each worker listens on a Unix socket that is named by its number, in a directory of the
workers' own; who has something for it connects, once, and keeps that. A hand-over is one or more
packets (`SOCK_SEQPACKET` keeps their limits): a header with the descriptor and the first of what
was read, then the rest. They are written at once while the kernel takes them, else kept in order
until it does.

Bounded: so many connections and so many bytes may wait for one worker (`MOST_WAITING`,
`MOST_BYTES`). What does not fit is refused, which the client is told. A worker that is gone leaves
a socket that refuses: its sessions are nobody's. Both sides check that the other is of the same
user.

A descriptor in a packet is the kernel's from the moment it is sent; until then it is a copy of
ours, which is closed if the packet cannot be sent any more.
"""

from __future__ import annotations

import array
import logging
import os
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from sockwave.debug import known
from sockwave.engine.server.routing import HandOver
from sockwave.platform import unix_socket
from sockwave.workers.doors import Door
from sockwave.workers.numbers import handover_path

if TYPE_CHECKING:
    import asyncio

__all__ = ["Arrival", "HandOvers", "Receiver"]

_logger: Final = logging.getLogger("sockwave.workers")

PIECE: Final = 32_768
"""Bytes of one packet, which must fit into the buffer of a Unix socket at once."""

MOST_WAITING: Final = 1_024
"""Connections that may wait for one worker: more than a crowd of a moment; each is a descriptor."""

MOST_BYTES: Final = 16 * 1024 * 1024
"""Bytes read from them that may wait with them."""

MOST_READ: Final = 4 * 1024 * 1024
"""Bytes that may come with one connection; the front end reads far less ahead."""

_HEAD: Final = struct.Struct("!H")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A connection that was handed over.

    Attributes:
        sock: Its socket, which now belongs to who gets this.
        data: What was read from it.
        client: Host and port of the peer.
        is_secure: Whether its bytes came by TLS, and are plain here.
        is_session: Whether it carries a WebTransport session; the data is the request for that.
    """

    sock: socket.socket
    data: bytes
    client: tuple[str, int] | None
    is_secure: bool
    is_session: bool = False


class Receiver(Protocol):
    """Who gets what arrives."""

    def arrived(self, arrival: Arrival) -> None:
        """A connection is ours now."""


class _Header(msgspec.Struct, array_like=True):
    size: int
    client: tuple[str, int] | None
    is_secure: bool
    is_session: bool = False


@dataclass(slots=True)
class _Packet:
    """What is to be sent, and the descriptor that goes with it."""

    data: bytes
    descriptor: int = -1


class HandOvers:
    """The hand-overs of one worker, in both directions.

    Args:
        directory: Of the workers' sockets.
        number: Of this worker.
        receiver: Gets what others hand over.
    """

    def __init__(self, directory: str, number: int, receiver: Receiver) -> None:
        self._directory = directory
        self._number = number
        self._receiver = receiver
        self._loop: asyncio.AbstractEventLoop | None = None
        self._door = Door(self._path(number), self._came)
        self._incoming: set[_Incoming] = set()
        self._outgoing: dict[int, _Outgoing] = {}

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen.

        Raises:
            OSError: The directory cannot be written to.
        """
        self._loop = loop
        self._door.open(loop)

    def close(self) -> None:
        """Take nothing more; what waits to be sent is dropped, and its connections with it."""
        self._door.close()
        for incoming in list(self._incoming):
            incoming.close()
        for outgoing in list(self._outgoing.values()):
            outgoing.close()

    def send(
        self,
        number: int,
        descriptor: int,
        data: bytes,
        client: tuple[str, int] | None,
        *,
        is_secure: bool,
        is_session: bool = False,
    ) -> HandOver:
        """Pass a connection to a worker.

        Args:
            descriptor: Of its socket; the caller closes it, whatever comes of this.
            is_session: See `Arrival`.
        """
        try:
            outgoing = self._outgoing.get(number) or self._connect(number)
            if outgoing is None:
                return HandOver.GONE
            if not outgoing.has_room(len(data)):
                return HandOver.BUSY
            copy = os.dup(descriptor)
        except OSError as error:  # descriptors are short
            _logger.debug(
                "a connection cannot be handed over: %s", error, extra=known(reason=error)
            )
            return HandOver.BUSY
        header = msgspec.msgpack.encode(_Header(len(data), client, is_secure, is_session))
        first = b"%b%b%b" % (_HEAD.pack(len(header)), header, data[:PIECE])
        packets = [_Packet(first, copy)]
        packets += [_Packet(data[at : at + PIECE]) for at in range(PIECE, len(data), PIECE)]
        return HandOver.DONE if outgoing.send(packets) else HandOver.GONE

    # --- private ----------------------------------------------------------------------------------

    def _path(self, number: int) -> str:
        return handover_path(self._directory, number)

    def _connect(self, number: int) -> _Outgoing | None:
        assert self._loop is not None
        sock = unix_socket("packets")
        sock.setblocking(False)
        try:
            sock.connect(self._path(number))
        except OSError:  # there is none, or its backlog is full, which is as good as gone
            sock.close()
            return None
        outgoing = self._outgoing[number] = _Outgoing(self._loop, sock)
        outgoing.ended = lambda: self._outgoing.pop(number, None)
        return outgoing

    def _came(self, sock: socket.socket) -> None:
        assert self._loop is not None
        incoming = _Incoming(self._loop, sock, self._receiver)
        incoming.ended = lambda: self._incoming.discard(incoming)
        self._incoming.add(incoming)


class _Outgoing:
    """To one other worker."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self.ended: Any = None
        self._loop = loop
        self._sock = sock
        self._waiting: deque[_Packet] = deque()
        self._connections = 0
        self._bytes = 0
        self._is_closed = False

    def has_room(self, size: int) -> bool:
        """Whether another connection, with so many bytes, may wait."""
        return self._connections < MOST_WAITING and self._bytes + size <= MOST_BYTES

    def send(self, packets: list[_Packet]) -> bool:
        """Send all of them, now or later; False when the other is gone."""
        was_empty = not self._waiting
        self._waiting.extend(packets)
        self._connections += 1
        self._bytes += sum(len(packet.data) for packet in packets)
        if was_empty:
            self._write()
            if self._waiting:
                self._loop.add_writer(self._sock.fileno(), self._write)
        return not self._is_closed

    def _write(self) -> None:
        waiting = self._waiting
        while waiting:
            packet = waiting[0]
            rights = []
            if packet.descriptor >= 0:
                rights.append(
                    (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [packet.descriptor]))
                )
            try:
                self._sock.sendmsg([packet.data], rights)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                # ENOBUFS and the like pass; a descriptor too many on its way (ETOOMANYREFS) too.
                if isinstance(error, (BrokenPipeError, ConnectionError)) or not self._can_wait():
                    self.close()
                return
            waiting.popleft()
            self._bytes -= len(packet.data)
            if packet.descriptor >= 0:
                self._connections -= 1
                os.close(packet.descriptor)
        self._loop.remove_writer(self._sock.fileno())

    def _can_wait(self) -> bool:
        """Try again in a moment: no readiness is told for what was the matter."""
        if self._is_closed:
            return False
        self._loop.remove_writer(self._sock.fileno())
        self._loop.call_later(0.05, self._again)
        return True

    def _again(self) -> None:
        if not self._is_closed:
            self._write()
            if self._waiting and not self._is_closed:
                self._loop.add_writer(self._sock.fileno(), self._write)

    def close(self) -> None:
        """The other is gone, or we are: what waits is lost, and its clients connect again."""
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        for packet in self._waiting:
            if packet.descriptor >= 0:
                os.close(packet.descriptor)
        self._waiting.clear()
        if self.ended is not None:
            self.ended()


@dataclass(slots=True)
class _Partial:
    """A hand-over of which not all has come."""

    header: _Header
    sock: socket.socket
    pieces: list[bytes] = field(default_factory=list)
    received: int = 0


class _Incoming:
    """From one other worker."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, receiver: Receiver
    ) -> None:
        self.ended: Any = None
        self._loop = loop
        self._sock = sock
        self._receiver = receiver
        self._partial: _Partial | None = None
        loop.add_reader(sock.fileno(), self._read)

    def _read(self) -> None:
        try:
            data, rights, _, _ = self._sock.recvmsg(
                PIECE + 4_096, socket.CMSG_SPACE(4 * array.array("i").itemsize)
            )
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        socks = _sockets(rights)
        if not data:
            self.close()
        elif self._partial is None:
            self._begin(data, socks)
        else:
            self._go_on(self._partial, data)
        for sock in socks:  # but the one that was taken out
            sock.close()

    def _begin(self, data: bytes, socks: list[socket.socket]) -> None:
        try:
            (length,) = _HEAD.unpack_from(data)
            at = _HEAD.size + length
            header = msgspec.msgpack.decode(data[_HEAD.size : at], type=_Header)
        except (struct.error, msgspec.MsgspecError):
            self._broken("no header")
            return
        if not socks or header.size > MOST_READ or header.size < 0:
            self._broken("no descriptor, or too much with it")
            return
        partial = _Partial(header, socks.pop(0))
        self._go_on(partial, data[at:])

    def _go_on(self, partial: _Partial, data: bytes) -> None:
        partial.pieces.append(data)
        partial.received += len(data)
        if partial.received < partial.header.size:
            self._partial = partial
            return
        self._partial = None
        header = partial.header
        self._receiver.arrived(
            Arrival(
                sock=partial.sock,
                data=b"".join(partial.pieces)[: header.size],
                client=header.client,
                is_secure=header.is_secure,
                is_session=header.is_session,
            )
        )

    def _broken(self, why: str) -> None:
        _logger.error(
            "a hand-over from another worker cannot be read: %s", why, extra=known(reason=why)
        )
        self.close()

    def close(self) -> None:
        """The other is gone."""
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        if self._partial is not None:
            self._partial.sock.close()
            self._partial = None
        if self.ended is not None:
            self.ended()


def _sockets(rights: list[tuple[int, int, bytes]]) -> list[socket.socket]:
    """What came with a packet, as sockets; each has an owner from here on."""
    numbers = array.array("i")
    for level, kind, data in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    found = []
    for number in numbers:
        try:
            found.append(socket.socket(fileno=number))
        except OSError:  # no socket
            os.close(number)
    return found
