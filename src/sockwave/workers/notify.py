"""What systemd is told (`sd_notify`): a datagram to the socket that `NOTIFY_SOCKET` names."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from sockwave.platform import unix_socket

__all__ = ["keep_watchdog", "notify", "watchdog_interval"]

MICROSECONDS: Final = 1_000_000


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


def watchdog_interval() -> float | None:
    """Seconds between two signs of life, by `WatchdogSec=` of the unit; None without it.

    They are half of what systemd waits for. Children inherit the variables: `WATCHDOG_PID` says
    whose they are.
    """
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    if not (microseconds.isascii() and microseconds.isdigit() and int(microseconds)):
        return None
    return int(microseconds) / MICROSECONDS / 2


async def keep_watchdog() -> None:
    """Tell systemd that this event loop turns, as long as it does; over at once without a wish."""
    interval = watchdog_interval()
    while interval is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval)
