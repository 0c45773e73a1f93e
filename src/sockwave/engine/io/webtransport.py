"""What is needed of a QUIC library: one WebTransport session with one stream.

Engine.IO needs no more of WebTransport than a stream in each direction, so that is all there is
between a transport and the library that carries it; another one takes its place by these methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.taking import Taken
    from sockwave.types import DisconnectReason

__all__ = ["CarriedSession", "WebTransportSession", "WebTransportSessionReceiver"]


class WebTransportSession(Protocol):
    """A session and its stream, as a library carries them."""

    @property
    def is_writable(self) -> bool:
        """Whether little enough waits for the peer: `session_writable` tells when that is so again.
        Never before there is a stream, and never again once the session ends."""

    def write(self, data: bytes) -> None:
        """Send on the stream; it goes out with what else is written in this turn of the loop."""

    def buffered(self) -> int:
        """Bytes written that the peer's machine has not confirmed."""

    def progress(self) -> Taken:
        """How far the peer's machine is with what was written."""

    def pause_reading(self) -> None:
        """Let the peer send no more than it may by now: what is on its way still comes."""

    def resume_reading(self) -> None:
        """Let it go on."""

    def close(self, code: int, reason: str) -> None:
        """End the session once the peer has what was written; `session_lost` follows.

        Args:
            code: Of the application, for the peer.
            reason: The same in words.
        """

    def refuse(self, reason: str) -> None:
        """End what carries the session, since its client is not to have one: a failure there, and
        not an end, which JavaScript clients would not see; `session_lost` follows.

        Args:
            reason: Words for the peer.
        """

    def abort(self) -> None:
        """End it now, and what carries it; `session_lost` follows."""


class WebTransportSessionReceiver(Protocol):
    """What a session tells its transport."""

    def data_received(self, data: bytes) -> None:
        """What came on the stream, in order and of any length."""

    def session_writable(self) -> None:
        """Little waits for the peer, after much, or the stream is there."""

    def session_lost(self, reason: DisconnectReason, description: str) -> None:
        """It has ended; called once, by whatever it ended."""


class CarriedSession(WebTransportSession, Protocol):
    """A session of a connection, which can be given from one receiver to another."""

    def begin(self, receiver: WebTransportSessionReceiver) -> None:
        """Give what comes to this one, from now on."""

    def watch(self, progressed: Callable[[], None]) -> None:
        """Call back from now on whenever the peer's machine may have confirmed something."""
