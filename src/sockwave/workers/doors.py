"""A Unix socket at which one worker takes connections of the others, each of which has packets."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Final

from sockwave.debug import known
from sockwave.platform import is_same_user, unix_socket

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

__all__ = ["Door"]

BACKLOG: Final = 128

ACCEPT_PAUSE: Final = 1.0
"""Seconds until it is tried again to accept, when that has failed: descriptors are short."""

_logger: Final = logging.getLogger("sockwave.workers")


class Door:
    """Where others connect, as long as it is open; they have to be of the same user.

    Args:
        path: Of the socket; what was left there goes.
        came: Called with each connection, which does not block.
    """

    def __init__(self, path: str, came: Callable[[socket.socket], None]) -> None:
        self._path = path
        self._came = came
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening: socket.socket | None = None
        self._retry: asyncio.TimerHandle | None = None

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen.

        Raises:
            OSError: The directory cannot be written to.
        """
        self._loop = loop
        self._listening = listening = unix_socket("packets")
        listening.setblocking(False)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        listening.bind(self._path)
        listening.listen(BACKLOG)
        self._take()

    def close(self) -> None:
        """Take nobody more; a second time does nothing."""
        if self._listening is None:
            return
        self._pause()
        self._listening.close()
        self._listening = None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def _take(self) -> None:
        assert self._loop is not None
        assert self._listening is not None
        self._retry = None
        self._loop.add_reader(self._listening.fileno(), self._accept)

    def _pause(self) -> None:
        assert self._loop is not None
        assert self._listening is not None
        self._loop.remove_reader(self._listening.fileno())
        if self._retry is not None:
            self._retry.cancel()

    def _accept(self) -> None:
        assert self._listening is not None
        assert self._loop is not None
        try:
            sock, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            _logger.warning("a worker could not connect: %s", error, extra=known(reason=error))
            self._pause()
            self._retry = self._loop.call_later(ACCEPT_PAUSE, self._take)
            return
        if not is_same_user(sock):
            _logger.warning("refused: a process of another user has connected to a worker's socket")
            sock.close()
            return
        sock.setblocking(False)
        self._came(sock)
