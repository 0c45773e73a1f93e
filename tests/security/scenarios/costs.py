"""What the process has used."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockwave import Server


async def processor_time(io: Server) -> float:
    """Seconds since the server began."""
    return time.process_time()
