"""The server's part in attacks by handshakes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockwave import Server


async def processor_time(io: Server) -> float:
    """Seconds that this process has computed."""
    return time.process_time()
