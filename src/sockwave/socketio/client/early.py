"""Events that a server sends before it accepts the socket (docs/protocol/recovery.md)."""

from __future__ import annotations

from typing import Any, Final

from sockwave.errors import LimitExceeded

__all__ = ["EarlyEvents"]

MAX_EVENTS: Final = 10_000
"""As many as the offline buffer of this side holds, and a server's log of missed packets."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of text and attachments: what a server's log of missed packets holds by default."""

_VALUE: Final = 16
"""What a value counts for beside its text: so many small ones are bounded too."""


class EarlyEvents:
    """Keeps events until the socket is accepted; bounded in number and in bytes."""

    __slots__ = ("_events", "_size")

    def __init__(self) -> None:
        self._events: list[tuple[list[Any], int | None]] = []
        self._size = 0

    def add(self, args: list[Any], id_: int | None) -> None:
        """Keep an event.

        Raises:
            LimitExceeded: It is one too many, or too large beside the others.
        """
        self._size += _weight(args)
        if len(self._events) >= MAX_EVENTS or self._size > MAX_BYTES:
            raise LimitExceeded("too many events before the server accepted the socket")
        self._events.append((args, id_))

    def take(self) -> list[tuple[list[Any], int | None]]:
        """All of them, in order; none are kept."""
        events, self._events = self._events, []
        self._size = 0
        return events


def _weight(value: Any) -> int:
    """Bytes of a decoded value, roughly; its depth is bounded where it was decoded."""
    if isinstance(value, (str, bytes)):
        return _VALUE + len(value)
    if isinstance(value, list):
        return _VALUE + sum(map(_weight, value))
    if isinstance(value, dict):
        return _VALUE + sum(_weight(key) + _weight(item) for key, item in value.items())
    return _VALUE
