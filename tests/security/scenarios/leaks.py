"""Counts what Python has allocated and not given back."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockwave import Server


async def traced(io: Server) -> int:
    """Bytes that are in use of all that was allocated since the first call."""
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def stop(io: Server) -> None:
    """Count no more."""
    tracemalloc.stop()
