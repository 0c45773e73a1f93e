"""The sockets of a QUIC port."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any, Final

from sockwave.platform import share_datagrams

__all__ = ["udp_socket"]

_BUFFER: Final = 2 * 1024 * 1024
"""Bytes that the system should hold for us, of all clients of the port together."""


def udp_socket(family: int, address: Any, *, is_shared: bool = False) -> socket.socket:
    """Bind a UDP port.

    Args:
        is_shared: Whether other sockets of this user may bind it as well, which share it.

    Raises:
        OSError: It is in use, or not allowed.
    """
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        if is_shared:
            share_datagrams(sock)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
