"""Numbers of processes that nobody has started together, given out in a directory of their own.

A number belongs to who has locked its file, for as long as that process lives: the system gives it
back, so there is nobody who deals them out, and no time in which two have the same. The lowest free
one is taken: files stay, and there are no more of them than there were processes at a time. A
process that comes after a dead one may get its number, and knows nothing of its sessions, whose
clients are told so.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sockwave.adapters.unix import prepare_directory
from sockwave.platform import claim_file, unix_socket
from sockwave.workers.identity import MAX_NUMBER

if TYPE_CHECKING:
    import socket

__all__ = ["Claim", "datagram_path", "handover_path", "relay_path"]

BACKLOG: Final = 4_096
"""Requests that may wait for a process that is busy for a moment; the system may hold fewer."""


def relay_path(directory: str, number: int) -> str:
    """Where the process with a number takes requests of others."""
    return os.path.join(directory, f"{number}.relay")


def handover_path(directory: str, number: int) -> str:
    """Where the process with a number takes connections of others."""
    return os.path.join(directory, f"{number}.handover")


def datagram_path(directory: str, number: int) -> str:
    """Where the process with a number takes datagrams of others."""
    return os.path.join(directory, f"{number}.datagrams")


class Claim:
    """A number of this process in a directory, and the socket where others reach it.

    Args:
        directory: Made if it is not there.

    Raises:
        OSError: It cannot be used, or others may look into it, or all numbers are taken.

    Attributes:
        number: It.
        directory: In which that holds.
        listening: The socket.
    """

    def __init__(self, directory: str) -> None:
        prepare_directory(directory)
        self.directory = directory
        self.number: int
        self.number, self._lock = _lock_lowest(directory)
        self.listening: socket.socket = unix_socket("stream")
        try:
            self._listen()
        except OSError:
            self.release()
            raise

    def _listen(self) -> None:
        path = relay_path(self.directory, self.number)
        with suppress(FileNotFoundError):
            os.unlink(path)  # of a dead one, since the number is ours
        self.listening.setblocking(False)
        self.listening.bind(path)
        os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)
        self.listening.listen(BACKLOG)

    def release(self) -> None:
        """Let others have the number; a second time does nothing."""
        if self._lock < 0:
            return
        self.listening.close()
        with suppress(OSError):
            os.unlink(relay_path(self.directory, self.number))
        os.close(self._lock)
        self._lock = -1


def _lock_lowest(directory: str) -> tuple[int, int]:
    for number in range(MAX_NUMBER + 1):
        lock = claim_file(os.path.join(directory, f"{number}.lock"))
        if lock is not None:
            return number, lock
    raise OSError(f"{directory}: all {MAX_NUMBER + 1} numbers of processes are taken")
