"""Sessions of several processes on one port: whose a connection is, and how it gets there.

Theory. Each process puts a text of its own before the ids of its sessions. The kernel gives a new
TCP connection to any process; where its next request names a session of another one, the front end
hands the connection over, with all that was read of that request and behind it, before anything of
it was understood. So nothing is answered twice, or in another form than its owner would.

A process that was handed a connection keeps it, until a request on it names a third one's session.
An id that was forged leads to its process, and is unknown there.

Where a host has the port, such as uvicorn, there is no connection to hand over: a request for
another process's session is carried to that process, and its answer back (`Relay`).
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Awaitable, Callable, MutableMapping

    from sockwave.engine.core.request import Request
    from sockwave.engine.io.webtransport import CarriedSession
    from sockwave.engine.server.exchange import HttpExchange, UpgradeExchange

__all__ = [
    "STARTED_IN",
    "WORKER_VARIABLE",
    "DatagramTaker",
    "Elsewhere",
    "HandOver",
    "Relay",
    "Router",
    "SharedUdp",
    "StrayHint",
    "begin_worker",
    "is_worker",
    "session_in",
    "session_of",
    "told_worker",
]

WORKER_VARIABLE: Final = "SOCKWAVE_WORKER"
"""In the environment of a process that is one of several: `descriptor:inode:what it is told`."""


def _directory() -> str | None:
    try:
        here = os.getcwd()
    except OSError:  # it was removed
        return None
    # By the name of a link to a release, a reload finds the release to which that leads by then.
    named = os.environ.get("PWD", "")
    with suppress(OSError):
        if os.path.isabs(named) and os.path.samefile(named, here):
            return named
    return here


STARTED_IN: Final = _directory()
"""Where this process was when it imported the package, before its program may have gone elsewhere:
a worker that runs the same command begins there."""

_begun: Final[set[int]] = set()
"""This process, once it serves as a worker; one that is forked from it is none."""

_SESSION: Final = re.compile(rb"[!-~]+ [!-~]*?[?&]sid=([A-Za-z0-9_~.-]+)")
"""The session in a request line. An id that a user's own function has made may be of other
characters, which travel percent-encoded: those in front are enough to know whose it is."""

_ID: Final = re.compile(rb"[A-Za-z0-9_~.-]+")
"""The same, by itself."""

_logger: Final = logging.getLogger("sockwave.engine")

_NAME: Final = b"sid="
_AMPERSAND: Final = ord("&")


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


def begin_worker() -> None:
    """This process serves from now on as the worker that it was told to be.

    Nothing is told any more, so that no program that is started from here takes itself for it.
    """
    os.environ.pop(WORKER_VARIABLE, None)
    _begun.add(os.getpid())


def is_worker() -> bool:
    """Whether this process is a worker, whether it serves already or not."""
    return os.getpid() in _begun or told_worker() is not None


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

    host: Any
    """What takes requests that are not the engine's, of connections that were handed over; None
    where nothing does."""

    @property
    def is_replaced(self) -> bool:
        """Whether another process has taken this one's place, and hands requests for its sessions
        over until they have ended."""

    @property
    def is_reached_by_others(self) -> bool:
        """Whether requests for sessions of this process come in by other processes, too, when its
        own port is closed."""

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

    def hand_over_session(
        self, sid: bytes, session: CarriedSession, request: Request, data: bytes
    ) -> HandOver:
        """Carry a WebTransport session for the process of a session.

        Args:
            session: Open; when it is done, what comes of it is not for the caller any more.
            request: By which it began.
            data: What has come on its stream.
        """


def session_of(data: bytes) -> bytes | None:
    """The session that the request line names with which this begins, if there is one."""
    found = _SESSION.match(data, 0, max(data.find(b"\n"), 0))
    return None if found is None else found[1]


class DatagramTaker(Protocol):
    """Has the connections of this process on a UDP port that several share."""

    def passed_on(self, data: bytes, address: Any) -> None:
        """A datagram has come to another process, which says that it is for this one."""

    def stop_taking(self) -> None:
        """Another process reads this one's part of the port now: only send by it."""


class SharedUdp(Protocol):
    """This process's part of a UDP port that several share, and its way to the others."""

    number: int
    """Of this process, in the ids of its connections."""

    key: bytes
    """By which the processes know their ids; the same for all."""

    def copy(self) -> socket.socket:
        """Give a descriptor of the bound socket, which belongs to the caller."""

    def begin(self, taker: DatagramTaker) -> None:
        """The connections of this process are there."""

    def pass_on(self, number: int, data: bytes, address: Any) -> HandOver:
        """Give a datagram to the process with a number; one that is busy is not waited for.

        Args:
            address: Whose it is.
        """


class Relay(Protocol):
    """Carries requests to the processes that have their sessions, where a host has the port."""

    def is_elsewhere(self, sid: bytes) -> bool:
        """Whether this id, or its beginning, is one of another process."""

    async def relay(
        self,
        sid: bytes,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> HandOver:
        """Have a request of ASGI answered by the process of a session.

        Returns:
            When it is done it was answered, or its client has gone. Else nothing was sent, and the
            end of a client may have been heard, but not that a WebSocket is asked for.
        """

    async def wait_joined(self) -> None:
        """Wait until the others are known, and know this one; for a few seconds at most."""


def session_in(query: bytes) -> bytes | None:
    """The session that a query names, if it does."""
    at = query.find(_NAME)
    while at > 0 and query[at - 1] != _AMPERSAND:
        at = query.find(_NAME, at + 1)
    found = _ID.match(query, at + len(_NAME)) if at >= 0 else None
    return None if found is None else found[0]


class Elsewhere(Protocol):
    """Finds the sessions of other machines, and has their servers answer; see `sockwave.relaying`.

    What comes here has passed middlewares and verification, so these see the client itself.
    """

    def takes(self, exchange: HttpExchange | UpgradeExchange) -> bool:
        """Take a request for a session that is not here; it is answered later, in any case.

        Returns:
            False where nobody else could have it: nothing has been done.
        """

    async def wait_joined(self) -> None:
        """Wait until others find the sessions of this server; for a few seconds at most."""


class StrayHint:
    """Says once what is most likely wrong where a host has several processes."""

    def __init__(self) -> None:
        self._is_given = False

    def give(self) -> None:
        """A session was asked for that this process, which knows of no others, does not have."""
        if not self._is_given and multiprocessing.parent_process() is not None:
            self._is_given = True
            _logger.warning(
                "a session was asked for that this process does not have: if others share its port"
                " (--workers), give the server a WorkersAdapter (docs/scaling.md)"
            )
