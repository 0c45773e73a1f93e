"""The connection on which one process has a request answered by another: messages of ASGI.

Each side holds the other back. Who sends waits while the other does not take what was sent, and of
what has come no more than `MOST_KEPT` is read ahead. So a host that does not take messages holds
back the session in the other process, as it would one here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, Final, TypeAlias

from sockwave.adapters.framed import Framed, encode_frame

__all__ = ["HEARD", "Link", "Message"]

Message: TypeAlias = dict[str, Any]

HEARD: Final = "sockwave.heard"
"""Type of the first message of who is to answer."""

MOST_KEPT: Final = 256 * 1024
"""Bytes that are read ahead; a message may be larger."""

_MESSAGE: Final = 1

_logger: Final = logging.getLogger("sockwave.workers")


class Link(Framed):
    """One side of it."""

    def __init__(self) -> None:
        super().__init__()
        self._messages: deque[Message] = deque()
        self._kept = 0
        self._is_paused = False
        self._is_dropping = False
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._over = asyncio.Event()

    # --- for who uses it --------------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Send a message; wait while the other side has too much.

        Raises:
            ConnectionError: The other side is gone.
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the other process is gone")
        transport.write(encode_frame(_MESSAGE, message))
        await self._writable.wait()
        if self._over.is_set():
            raise ConnectionResetError("the other process is gone")

    async def receive(self) -> Message | None:
        """The next message; None when there will be no more."""
        while not self._messages:
            if self._over.is_set():
                return None
            self._changed.clear()
            await self._changed.wait()
        message = self._messages.popleft()
        self._kept -= _size(message)
        if self._is_paused and self._kept <= MOST_KEPT // 2:
            self._resume()
        return message

    async def finish(self, seconds: float) -> None:
        """Take nothing more, and let the other side end it, which has then read everything."""
        self._is_dropping = True
        self._messages.clear()
        self._resume()
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            _logger.debug("another process does not end a request")

    def close(self) -> None:
        """End it behind what was sent."""
        if self.transport is not None:
            self.transport.close()

    # --- the connection ---------------------------------------------------------------------------

    def frame_received(self, kind: int, fields: Any) -> None:
        """Keep a message."""
        if (
            kind != _MESSAGE
            or not isinstance(fields, dict)
            or not isinstance(fields.get("type"), str)
        ):
            raise ValueError("no message")
        if self._is_dropping:
            return
        if "headers" in fields:
            fields["headers"] = [(name, value) for name, value in fields["headers"]]
        self._messages.append(fields)
        self._kept += _size(fields)
        self._changed.set()
        transport = self.transport
        if self._kept > MOST_KEPT and transport is not None and not transport.is_closing():
            self._is_paused = True
            transport.pause_reading()

    def _resume(self) -> None:
        if self._is_paused and self.transport is not None and not self.transport.is_closing():
            self._is_paused = False
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        """The other side has too much."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has taken that."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end; what has come is there to be read."""
        self._over.set()
        self._changed.set()
        self._writable.set()


def _size(message: Message) -> int:
    """Bytes, of what can be large."""
    return len(message.get("body") or message.get("bytes") or message.get("text") or "")
