"""Telling of lost messages, without a flood of lines where many are lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Losses"]

PAUSE: Final = 1.0
"""Seconds between two times that it is told."""


class Losses:
    """Tells the listeners of channels, in a turn of the loop of its own, and once a second at most.

    Args:
        tell: Gets a channel and a sentence.

    Attributes:
        count: Messages that were lost, or may have been.
    """

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self.count: int = 0
        self._tell = tell
        self._untold: dict[str, tuple[int, str]] = {}
        self._timer: asyncio.Handle | None = None

    def add(self, channels: Iterable[str], why: str) -> None:
        """Messages are lost: one for each time that a channel is named."""
        for channel in channels:
            self.count += 1
            self._untold[channel] = (self._untold.get(channel, (0, ""))[0] + 1, why)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._timer = None
        if not self._untold:
            return
        untold, self._untold = self._untold, {}
        self._timer = asyncio.get_running_loop().call_later(PAUSE, self._flush)
        for channel, (count, why) in untold.items():
            what = "a message is" if count == 1 else f"{count} messages are"
            self._tell(channel, f"{what} lost, or may be: {why}")

    def close(self) -> None:
        """Nobody wants to know any more."""
        if self._timer is not None:
            self._timer.cancel()
