"""What the process has used."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.security.app import SLOW_NAME, SLOW_ORIGIN

if TYPE_CHECKING:
    from sockwave import Server


async def processor_time(io: Server) -> float:
    """Seconds since the server began."""
    return time.process_time()


async def slow_match(io: Server, text: str) -> float:
    """Seconds that one match of a slow pattern of the application's takes."""
    pattern = SLOW_NAME if text.startswith("/") else SLOW_ORIGIN
    before = time.thread_time()
    assert pattern.fullmatch(text) is None
    return time.thread_time() - before
