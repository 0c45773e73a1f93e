"""Sessions of several processes on one port: whose a connection is, and how it gets there.

Theory. Each process puts a text of its own before the ids of its sessions. The kernel gives a new
TCP connection to any process; where its next request names a session of another one, the front end
hands the connection over, with all that was read of that request and behind it, before anything of
it was understood. So nothing is answered twice, or in another form than its owner would.

A process that was handed a connection keeps it, until a request on it names a third one's session.
An id that was forged leads to its process, and is unknown there.
"""

from __future__ import annotations

import os
import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import asyncio

__all__ = ["WORKER_VARIABLE", "HandOver", "Router", "session_of", "told_worker"]

WORKER_VARIABLE: Final = "SOCKWAVE_WORKER"
"""In the environment of a process that is one of several: `descriptor:inode:what it is told`."""

_SESSION: Final = re.compile(rb"[!-~]+ [!-~]*?[?&]sid=([A-Za-z0-9_~.-]+)")
"""The session in a request line. An id that a user's own function has made may be of other
characters, which travel percent-encoded: those in front are enough to know whose it is."""


def told_worker() -> str | None:
    """What its supervisor has told this process; None where it is no worker.

    A program that a worker starts has inherited the variable, but not the descriptor in it.
    """
    descriptor, _, rest = os.environ.get(WORKER_VARIABLE, "").partition(":")
    inode, _, told = rest.partition(":")
    try:
        return told if os.fstat(int(descriptor)).st_ino == int(inode) else None
    except (OSError, ValueError):
        return None


class HandOver(Enum):
    """What became of a connection."""

    DONE = auto()
    """It is another process's, or will be in a moment."""
    GONE = auto()
    """There is no such process any more: nobody has this session."""
    BUSY = auto()
    """The other process takes nothing: the client is to try again."""


class Router(Protocol):
    """Knows the processes that share a port."""

    prefix: str
    """What the ids of this process's sessions begin with."""

    def is_elsewhere(self, sid: bytes) -> bool:
        """Whether this id, or its beginning, is one of another process.

        An empty one stands for requests of no session: whether another process is to begin it.
        """

    def hand_over(
        self,
        sid: bytes,
        tcp: asyncio.Transport,
        data: bytes,
        client: tuple[str, int] | None,
        *,
        is_secure: bool,
    ) -> HandOver:
        """Pass a connection to the process of a session; when it is done it is no longer ours.

        Args:
            tcp: Nothing is read from it any more, and nothing waits to be written.
            data: What was read and belongs to the request, or comes behind it.
            client: Host and port of the peer.
            is_secure: Whether it is encrypted.
        """


def session_of(data: bytes) -> bytes | None:
    """The session that the request line names with which this begins, if there is one."""
    found = _SESSION.match(data, 0, max(data.find(b"\n"), 0))
    return None if found is None else found[1]
