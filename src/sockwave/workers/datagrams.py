"""Datagrams of clients on their way from one worker to another.

Theory. All workers have a UDP port together, and each a socket of it. The kernel chooses one by the
addresses of a datagram; where a client's address has changed that is another one than before. Whose
the connection is stands in its id (`ConnectionIds`), so whoever has read the datagram gives it to
that worker, with the address that it came from, by a Unix socket that keeps the limits of what is
sent. The owner answers by its own socket of the port.

Bounded: what does not fit into the buffer of the Unix socket is dropped, as any datagram may be:
QUIC sends it again. So a worker that is stopped holds up nobody, and costs no more than that
buffer. One that is gone leaves a socket that refuses. The directory of the sockets is closed to
other users, so what comes by them is believed.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from socket import SO_SNDBUF, SOL_SOCKET
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet, ref

import msgspec

from sockwave.debug import known
from sockwave.engine.server.routing import HandOver
from sockwave.platform import after_fork_in_child, unix_socket
from sockwave.workers.doors import Door
from sockwave.workers.numbers import datagram_path

if TYPE_CHECKING:
    import asyncio
    import socket

    from sockwave.engine.server.routing import DatagramTaker

__all__ = ["Datagrams"]

BUFFER: Final = 1024 * 1024
"""Bytes on their way to one worker, with what the system counts for each datagram; it may allow
fewer."""

MOST: Final = 65_536 + 256
"""Bytes of a datagram with its address."""

AT_ONCE: Final = 64
"""Datagrams of one worker that are taken before others have their turn."""

_logger: Final = logging.getLogger("sockwave.workers")


class _Passed(msgspec.Struct, array_like=True):
    """A datagram; an address of IPv6 has two numbers more."""

    host: str
    port: int
    more: tuple[int, ...]
    data: bytes


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Passed).decode


def forget_at_fork(datagrams: Datagrams) -> None:
    """Let processes that are forked from this one have no socket of the port."""
    known_here = ref(datagrams)

    def forget() -> None:
        there = known_here()
        if there is not None:
            there.forget()

    after_fork_in_child(forget)


class Datagrams:
    """A worker's part of the UDP port, and its way to the others; see `SharedUdp`.

    Args:
        directory: Of the workers' sockets.
        number: Of this worker.
        sock: Of the port, this one's; it belongs to this object.
        key: Of the ids of connections, the same for all workers.

    Attributes:
        number, sock, key: The same.
        dropped: Datagrams for others that did not fit.
    """

    def __init__(self, directory: str, number: int, sock: socket.socket, key: bytes) -> None:
        self.number: int = number
        sock.setblocking(False)  # else a copy of it would block for all processes that have one
        self.sock: socket.socket = sock
        self.key: bytes = key
        self.dropped: int = 0
        self._directory = directory
        self._copies: WeakSet[socket.socket] = WeakSet([sock])
        forget_at_fork(self)
        self._door = Door(datagram_path(directory, number), self._came)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._taker: DatagramTaker | None = None
        self._outgoing: dict[int, socket.socket] = {}
        self._incoming: set[socket.socket] = set()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take what others pass on.

        Raises:
            OSError: The directory cannot be written to.
        """
        self._loop = loop
        self._door.open(loop)

    def copy(self) -> socket.socket:
        """Give another descriptor of the socket, which belongs to the caller."""
        copy = self.sock.dup()
        self._copies.add(copy)
        return copy

    def forget(self) -> None:
        """This process was forked from the worker, and must not keep the port beyond its end."""
        for sock in self._copies:
            descriptor = sock.detach()
            if descriptor >= 0:
                os.close(descriptor)

    def begin(self, taker: DatagramTaker) -> None:
        """Give what comes to this one."""
        self._taker = taker

    def stop_taking(self) -> None:
        """Leave this worker's part of the port to the one that has taken its place."""
        if self._taker is not None:
            self._taker.stop_taking()

    def close(self) -> None:
        """Take nothing more, and give back the port."""
        self._door.close()
        for number in list(self._outgoing):
            self._forget(number)
        for sock in list(self._incoming):
            self._leave(sock)
        self.sock.close()

    # --- to others --------------------------------------------------------------------------------

    def pass_on(self, number: int, data: bytes, address: Any) -> HandOver:
        """Give a datagram to another worker."""
        packet = _encode(_Passed(address[0], address[1], tuple(address[2:]), data))
        for _ in range(2):  # what was there before may have a successor of the same number
            sock = self._outgoing.get(number) or self._connect(number)
            if isinstance(sock, HandOver):
                break
            try:
                sock.send(packet)
            except ConnectionError:
                self._forget(number)
            except OSError:
                break
            else:
                return HandOver.DONE
        else:
            return HandOver.GONE
        if sock is HandOver.GONE:
            return HandOver.GONE
        self.dropped += 1
        return HandOver.BUSY

    def _connect(self, number: int) -> socket.socket | HandOver:
        assert self._loop is not None
        try:
            sock = unix_socket("packets")
        except OSError:  # descriptors are short
            return HandOver.BUSY
        sock.setblocking(False)
        with suppress(OSError):
            sock.setsockopt(SOL_SOCKET, SO_SNDBUF, BUFFER)
        try:
            sock.connect(datagram_path(self._directory, number))
        except (ConnectionError, FileNotFoundError):
            sock.close()
            return HandOver.GONE
        except OSError:  # it takes nobody just now
            sock.close()
            return HandOver.BUSY
        self._outgoing[number] = sock
        self._loop.add_reader(sock.fileno(), self._forget, number)  # nothing comes but the end
        return sock

    def _forget(self, number: int) -> None:
        assert self._loop is not None
        sock = self._outgoing.pop(number)
        self._loop.remove_reader(sock.fileno())
        sock.close()

    # --- from others ------------------------------------------------------------------------------

    def _came(self, sock: socket.socket) -> None:
        assert self._loop is not None
        self._incoming.add(sock)
        self._loop.add_reader(sock.fileno(), self._read, sock)

    def _leave(self, sock: socket.socket) -> None:
        assert self._loop is not None
        self._incoming.discard(sock)
        self._loop.remove_reader(sock.fileno())
        sock.close()

    def _read(self, sock: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                packet = sock.recv(MOST)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                packet = b""
            if not packet:
                self._leave(sock)
                return
            try:
                passed = _decode(packet)
            except msgspec.MsgspecError as error:
                _logger.error(
                    "a hand-over from another worker cannot be read: %s",
                    error,
                    extra=known(reason=error),
                )
                self._leave(sock)
                return
            if self._taker is not None:
                self._taker.passed_on(passed.data, (passed.host, passed.port, *passed.more))
