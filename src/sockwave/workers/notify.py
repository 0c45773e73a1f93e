"""What systemd is told (`sd_notify`): a datagram to the socket that `NOTIFY_SOCKET` names."""

from __future__ import annotations

import os

from sockwave.platform import unix_socket

__all__ = ["notify"]


def notify(state: str) -> None:
    """Tell a state, such as `READY=1`; nothing happens where nobody wants to know."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with unix_socket("datagrams") as sock:
        try:
            sock.sendto(state.encode(), address)
        except OSError:
            pass  # it is not there any more
