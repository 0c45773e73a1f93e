"""Whether a worker stands still: it is asked from time to time, and its event loop has to answer.

Time counts only while the supervisor runs itself. When it was stopped, or the whole machine was,
the answers are still to be read.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

__all__ = ["Asked", "until_silent"]

LOOKS: Final = 10
"""How often it is asked within that time."""


class Asked(Protocol):
    """A worker."""

    has_answered: bool
    """Whether it has said anything since this was set to False."""

    def ask(self) -> None:
        """Let it say something."""


async def until_silent(worker: Asked, timeout: float) -> None:
    """Wait until a worker says nothing for so many seconds; for ever, as long as it does."""
    silent = 0
    while silent < LOOKS:
        worker.has_answered = False
        worker.ask()
        await asyncio.sleep(timeout / LOOKS)
        silent = 0 if worker.has_answered else silent + 1
