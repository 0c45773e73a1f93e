"""What the log says of a client's connection: a line when something changes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from sockwave.debug import known, shortened

if TYPE_CHECKING:
    import logging

    from sockwave.engine.client.url import ServerUrl
    from sockwave.errors import SockwaveError
    from sockwave.types import DisconnectReason

__all__ = ["ConnectionLog"]


REPEATED: Final = 60.0
"""Seconds after which a loss for the same cause is told again, if there was a connection meanwhile;
a server that lets everybody in and drops them at once must not fill the log."""

_MAX_TEXT: Final = 512
"""Of what failed, with its cause and advice: a part of it may be the server's."""


class ConnectionLog:
    """Logs the first failure, each change of its cause, and that it is over."""

    __slots__ = ("_is_over", "_last", "_logger", "_server", "_told_at")

    def __init__(self, logger: logging.Logger, server: ServerUrl) -> None:
        self._logger = logger
        self._server = server
        self._last: tuple[object, ...] | None = None
        self._told_at = 0.0
        self._is_over = True

    def failed(self, error: SockwaveError) -> None:
        """An attempt has failed."""
        self._say("no connection to %r: %s", _kind(error), error)

    def lost(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        """The connection has ended, and not because this side wanted it to."""
        why = f"{reason}: {error}" if error is not None else reason
        self._say("connection to %r lost: %s", (reason, *_kind(error)), why)

    def refused(self, namespace: str, error: SockwaveError) -> None:
        """The server refuses a socket, and that is told once: there is no further attempt."""
        fields = known(namespace=namespace, reason=error)
        why = shortened(error)
        self._logger.warning("%r refuses %s: %s", self._server, namespace, why, extra=fields)

    def accepted(self) -> None:
        """The server lets a socket in."""
        if not self._is_over:
            self._is_over = True
            self._logger.info("connected to %r", self._server)

    def _say(self, text: str, kind: tuple[object, ...], why: object) -> None:
        now = time.monotonic()
        is_new = kind != self._last or (self._is_over and now - self._told_at > REPEATED)
        if is_new:
            self._last, self._told_at, self._is_over = kind, now, False
            fields = known(reason=why)
            self._logger.warning(text, self._server, shortened(why, _MAX_TEXT), extra=fields)


def _kind(error: SockwaveError | None) -> tuple[object, ...]:
    """What tells one fault from another: not the text, which may differ each time."""
    return type(error), getattr(error, "cause", None), getattr(error, "status", None)
