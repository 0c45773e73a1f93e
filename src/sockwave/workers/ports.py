"""The port of several workers: a listening socket for each of them.

The kernel deals new connections out evenly among them. The sockets are the supervisor's,
for as long as it runs: a worker that goes leaves its connections that nobody has accepted to the
one that comes in its place.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Final

from sockwave.engine.server.fronts.ports import ACCEPT_BACKLOG
from sockwave.engine.server.fronts.quic.udp import udp_socket
from sockwave.platform import keep_port_after_restart, share_port

__all__ = ["end_port", "has_inherited_socket", "inherited_socket", "open_port", "open_udp_port"]

_FIRST_INHERITED: Final = 3
"""Descriptor that systemd gives first (`sd_listen_fds`)."""


def open_port(host: str, port: int, count: int) -> list[socket.socket]:
    """Open a port as often as there are workers.

    Raises:
        OSError: It is in use, or not allowed.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    probe = socket.socket(family, kind, protocol)
    try:  # not sharing, which would let us in beside another server of the same user
        keep_port_after_restart(probe)
        probe.bind(address)
        address = probe.getsockname()
    finally:
        probe.close()
    sockets: list[socket.socket] = []
    try:
        for _ in range(count):
            sock = socket.socket(family, kind, protocol)
            sockets.append(sock)
            share_port(sock)
            sock.bind(address)
        for sock in sockets:  # together: what comes meanwhile would all be the first one's
            sock.listen(ACCEPT_BACKLOG)
            sock.setblocking(False)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def open_udp_port(beside: socket.socket, count: int) -> list[socket.socket]:
    """Open the UDP port of the same address as a TCP port, as often as there are workers.

    The kernel chooses one for each datagram, by the addresses on it, always the same one.

    Raises:
        OSError: It is in use, or not allowed.
    """
    family, address = beside.family, beside.getsockname()
    udp_socket(family, address).close()  # as above: it would be shared with others
    sockets: list[socket.socket] = []
    try:
        while len(sockets) < count:
            sockets += [udp_socket(family, address, is_shared=True)]
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def end_port(sock: socket.socket) -> None:
    """Let a socket listen no more, wherever copies of it are.

    What the program of a worker has forked, such as a pool of processes, has one; clients would
    connect to it, and wait for ever.
    """
    with contextlib.suppress(OSError):  # there are systems that do not let go of it so
        sock.shutdown(socket.SHUT_RDWR)


def has_inherited_socket() -> bool:
    """Whether systemd has opened a listening socket for this process (`LISTEN_FDS`)."""
    environ = os.environ
    return environ.get("LISTEN_PID") == str(os.getpid()) and bool(environ.get("LISTEN_FDS"))


def inherited_socket() -> socket.socket | None:
    """The listening socket that systemd has opened, if it has."""
    if not has_inherited_socket():
        return None
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    sock = socket.socket(fileno=_FIRST_INHERITED)
    sock.setblocking(False)
    return sock
