"""One line in the log for each fault of a peer; a flood of the same fault is a line a second."""

from __future__ import annotations

import logging
import time
from typing import Final

__all__ = ["PeerLog"]

_MAX_REMEMBERED: Final = 1_024
_MAX_LENGTH: Final = 128
_INTERVAL: Final = 1.0


class PeerLog:
    """Logs faults of peers: at most one line per peer and reason per second.

    Text from a peer is escaped and cut, so that it can neither forge a line nor fill a disk.
    """

    __slots__ = ("_last", "_logger")

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._last: dict[tuple[str, str], float] = {}

    def info(self, client: tuple[str, int] | None, what: str, detail: str = "") -> None:
        """Log what a peer did wrong.

        Args:
            what: The kind of fault, by which a flood is recognized.
            detail: Text of the peer's, which may differ each time.
        """
        self._log(logging.INFO, client, what, detail)

    def warning(self, client: tuple[str, int] | None, what: str, detail: str = "") -> None:
        """Log what may be the fault of the peer or of the application; see `info`."""
        self._log(logging.WARNING, client, what, detail)

    def _log(self, level: int, client: tuple[str, int] | None, what: str, detail: str) -> None:
        if not self._logger.isEnabledFor(level):
            return
        host = client[0] if client else "unix socket"
        now = time.monotonic()
        if now - self._last.get((host, what), -_INTERVAL) < _INTERVAL:
            return
        if len(self._last) >= _MAX_REMEMBERED:
            self._last.clear()
        self._last[host, what] = now
        text = f"{what} {detail}" if detail else what
        text = text[:_MAX_LENGTH].encode("unicode_escape").decode("ascii")
        self._logger.log(level, "%s: %s", host, text)
