"""What a process holds of memory: what is in use, and what the C library keeps of freed memory."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Final

__all__ = ["in_use", "trim"]


def trim() -> None:
    """Give freed memory back to the system, so that what a process holds is what it uses."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


class _Heap(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


BLOCK: Final = 100
"""Bytes of one of Python's small objects, about: they lie in blocks of its own, up to 512 bytes."""


def in_use() -> int:
    """Bytes that are allocated, without what allocators keep: one object left in an arena holds
    all of it, and so a crowd that was there once may cost resident memory that nothing uses."""
    gc.collect()
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _Heap
    heap = mallinfo2()
    return int(heap.uordblks + heap.hblkhd) + sys.getallocatedblocks() * BLOCK
