"""What the C library keeps of freed memory."""

from __future__ import annotations

import ctypes
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockwave import Server


async def trim(io: Server) -> None:
    """Give it back to the system, so that what a process holds is what it uses."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
