"""Compression of answers, a slice in a turn: a megabyte takes 30 ms, which others would wait for.

One answer is compressed at a time, whoever it is for; there is one compressor, and its memory,
however many wait. When much waits already, compressing is what the server has no time for.
"""

from __future__ import annotations

import zlib
from collections import deque
from typing import TYPE_CHECKING, Final

from sockwave.engine.io.turns import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.request import Request
    from sockwave.engine.io.turns import Turns

__all__ = ["AT_ONCE", "Compressions", "accepted_encoding", "compressed"]

AT_ONCE: Final = 16_384
"""Bytes that are compressed where they arise: half a millisecond."""

PIECE: Final = 16_384
"""Bytes compressed between two looks at the clock."""

MOST_WAITING: Final = 4 * 1024 * 1024
"""Bytes that may wait for compression; what comes beyond goes out as it is."""


def accepted_encoding(request: Request) -> str | None:
    """The client's first choice of what we can do."""
    best: tuple[float, str] | None = None
    for part in request.headers.get("accept-encoding", "").split(","):
        name, _, parameters = part.partition(";")
        name = name.strip(" \t").lower()
        if name not in ("gzip", "deflate"):
            continue
        try:
            quality = float(parameters.strip(" \t").removeprefix("q=") or 1)
        except ValueError:
            continue
        if quality > 0 and (best is None or quality > best[0]):
            best = (quality, name)
    return best[1] if best else None


def _compressor(encoding: str, level: int) -> zlib._Compress:
    return zlib.compressobj(level, zlib.DEFLATED, 31 if encoding == "gzip" else 15)


def compressed(payload: bytes, encoding: str, level: int) -> bytes:
    """Compress a small payload."""
    compressor = _compressor(encoding, level)
    return compressor.compress(payload) + compressor.flush()


class _Job:
    __slots__ = ("at", "compressor", "done", "payload", "pieces")

    def __init__(
        self, payload: bytes, encoding: str, level: int, done: Callable[[bytes], None]
    ) -> None:
        self.payload = payload
        self.compressor: tuple[str, int] | zlib._Compress = (encoding, level)
        self.done = done
        self.at = 0
        self.pieces: list[bytes] = []

    def go_on(self) -> bool:
        """Compress a piece; whether that was the last one."""
        if isinstance(self.compressor, tuple):
            self.compressor = _compressor(*self.compressor)
        self.pieces.append(self.compressor.compress(self.payload[self.at : self.at + PIECE]))
        self.at += PIECE
        if self.at < len(self.payload):
            return False
        self.pieces.append(self.compressor.flush())
        return True


class Compressions:
    """What waits to be compressed in one event loop.

    Args:
        turns: Its time.
        clock: Monotonic seconds that go on during a turn.
    """

    __slots__ = ("_clock", "_jobs", "_turns", "waiting")

    def __init__(self, turns: Turns, clock: Callable[[], float]) -> None:
        self.waiting: int = 0
        self._turns = turns
        self._clock = clock
        self._jobs: deque[_Job] = deque()

    def may_take(self, size: int) -> bool:
        """Whether there is time for so many bytes more."""
        return self.waiting + size <= MOST_WAITING

    def add(self, payload: bytes, encoding: str, level: int, done: Callable[[bytes], None]) -> None:
        """Compress a payload in the next turns, and call `done` with the result."""
        self._jobs.append(_Job(payload, encoding, level, done))
        self.waiting += len(payload)
        if len(self._jobs) == 1:
            self._turns.later(self._work, SMALL + 1)

    def _work(self) -> None:
        ends = self._turns.slice_ends(self._clock())
        while self._jobs:
            job = self._jobs[0]
            if job.go_on():
                self._jobs.popleft()
                self.waiting -= len(job.payload)
                job.done(b"".join(job.pieces))
            if self._clock() >= ends:
                break
        if self._jobs:
            self._turns.later(self._work, SMALL + 1)
