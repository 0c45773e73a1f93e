"""Counts what Python has allocated and not given back."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockwave import Server


async def blocks(io: Server) -> int:
    """Pieces of memory that objects of Python are in, when all that nobody refers to is gone."""
    gc.collect()
    return sys.getallocatedblocks()
