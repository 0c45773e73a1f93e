"""The directory of a supervisor: gone with it, or at the latest when another one starts.

Theory. Its name begins with the process id of the supervisor, by which `sockwave reload` finds it.
Whether that is alive is told by a lock on a file in it, which the system gives back however the
process ends; an id alone may be somebody else's by now. The directory is made and locked under
another name, so that nobody ever sees the one of a living supervisor without its lock.

Who starts removes what belongs to this user, nobody else may look into, and nobody has locked.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
from contextlib import suppress
from typing import Final

from sockwave.platform import claim_file

__all__ = ["OwnDirectory", "directories"]

_NAME: Final = re.compile(r"sockwave-(\d+)-\w+")
_LOCK: Final = "lock"
_EARLY: Final = "."

LONGEST_DIRECTORY: Final = 80
"""Bytes of its path: 107 may be the address of a Unix socket, whose name takes 26 at first."""


class OwnDirectory:
    """The directory of this process's workers; those of dead supervisors are removed first.

    Raises:
        OSError: There is no place for it, or the paths of sockets in it would be too long.

    Attributes:
        path: It, with mode 0700.
    """

    def __init__(self) -> None:
        _remove_left()
        early = tempfile.mkdtemp(prefix=f"{_EARLY}sockwave-{os.getpid()}-")
        if len(os.fsencode(early)) > LONGEST_DIRECTORY:
            os.rmdir(early)
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        self._lock: int | None = None
        with suppress(OSError):  # there are file systems without locks
            self._lock = claim_file(os.path.join(early, _LOCK))
        top, name = os.path.split(early)
        self.path: str = os.path.join(top, name.removeprefix(_EARLY))
        os.rename(early, self.path)

    def remove(self) -> None:
        """Remove it, and all that is in it; a second time does nothing."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def directories() -> list[tuple[int, str]]:
    """Those of this user on this machine, also of supervisors that are dead: the process id of each
    supervisor, and the path."""
    top = tempfile.gettempdir()
    found = []
    for name in os.listdir(top):
        match = _NAME.fullmatch(name)
        path = os.path.join(top, name)
        if match is not None and _is_ours(path):
            found.append((int(match[1]), path))
    return found


def _is_ours(path: str) -> bool:
    """Whether it is a directory of this user's that nobody else may look into."""
    try:
        status = os.lstat(path)
    except OSError:  # it is removed just now
        return False
    is_closed = not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    return stat.S_ISDIR(status.st_mode) and is_closed and status.st_uid == os.getuid()


def _remove_left() -> None:
    for pid, path in directories():
        lock = os.path.join(path, _LOCK)
        if not os.path.lexists(lock):  # of an older version, which had none
            if not _is_running(pid):
                shutil.rmtree(path, ignore_errors=True)
            continue
        with suppress(OSError):  # it cannot be told, or is removed just now
            descriptor = claim_file(lock)
            if descriptor is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(descriptor)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
