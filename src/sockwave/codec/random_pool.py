"""Random bytes read ahead: one call of the system for many pieces.

A call costs as much as all else that makes an id or a masking key. What is read ahead is as good as
what is read when it is needed, unless somebody else has it, too: a child process begins anew, and
taking the last of a list is one step for all threads.
"""

from __future__ import annotations

import os
from typing import Final

from sockwave.platform import after_fork_in_child

__all__ = ["RandomPool"]

_PIECES: Final = 256
"""Read at once."""


class RandomPool:
    """Pieces of the system's random source (`os.urandom`), each given once, in any thread.

    Args:
        size: Bytes of a piece.
    """

    __slots__ = ("_pieces", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._renew()
        after_fork_in_child(self._renew)

    def _renew(self) -> None:
        """Forget what is left, as a child process must: its parent uses that."""
        self._pieces: list[bytes] = []

    def next(self) -> bytes:
        """A piece that was not given before."""
        try:
            return self._pieces.pop()
        except IndexError:
            size = self._size
            read = os.urandom(size * _PIECES)
            pieces = [read[at : at + size] for at in range(0, len(read), size)]
            piece = pieces.pop()
            self._pieces = pieces
            return piece
