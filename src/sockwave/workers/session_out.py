"""The QUIC side of a WebTransport session whose session of ours another worker has.

A client that polls opens its QUIC connection to whoever gets the first packet, and says only then
whose session it moves. The connection cannot be handed over, as its state is inside the library;
so this worker keeps it, and carries the bytes of its stream, and the other has the session.

Bounded: the other writes only what `FULL` of the front leaves room for, by what the client's
machine has confirmed; and while the other takes nothing, the client may send no more than it may.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sockwave.workers.session_wire import Kind, Pipe

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from sockwave.engine.io.webtransport import CarriedSession
    from sockwave.types import DisconnectReason

__all__ = ["SessionCarrier"]

STEP: Final = 16_384
"""Bytes confirmed of which the other worker hears at once; of fewer, when that is all."""


class SessionCarrier:
    """Carries a session for another worker, from now on.

    Args:
        session: Open, with its stream.
        first: What its client has sent already.
        ended: Called once, at the end.
    """

    def __init__(
        self, session: CarriedSession, first: bytes, ended: Callable[[], None] = lambda: None
    ) -> None:
        self._session = session
        self._early = [first]
        self._ended = ended
        self._pipe: Pipe | None = None
        self._is_open = False
        self._is_lost = False
        self._is_paused_there = False
        self._is_full = False
        self._confirmed = self._told = session.progress().taken
        session.begin(self)
        session.watch(self._progressed)
        session.pause_reading()  # until there is somebody to give it to

    async def run(self, inner: socket.socket) -> None:
        """Speak with the other worker.

        Args:
            inner: It belongs to this function.

        Raises:
            OSError: The pair has gone already.
        """
        inner.setblocking(False)
        self._pipe = pipe = Pipe(self)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: pipe, inner)

    def drop(self) -> None:
        """There is nobody to speak with."""
        self.pipe_lost()

    # --- from the session -------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """From the client."""
        if self._pipe is not None and self._is_open:
            self._pipe.say(Kind.DATA, data)
        else:
            self._early.append(data)

    def session_writable(self) -> None:
        """The other worker counts for itself."""

    def session_lost(self, reason: DisconnectReason, description: str) -> None:
        """The session has ended."""
        if self._is_lost:
            return
        self._is_lost = True
        self._ended()
        if self._pipe is not None:
            words = f"{reason.value}\0{description}"
            self._pipe.say(Kind.LOST, words.encode()[:STEP])
            self._pipe.close()

    def _progressed(self) -> None:
        taken, waiting = self._session.progress()
        if taken <= self._confirmed:  # or there is no stream any more
            return
        self._confirmed = taken
        if self._pipe is not None and (not waiting or taken - self._told >= STEP):
            self._told = taken
            self._pipe.say(Kind.TAKEN, taken.to_bytes(8, "big"))

    # --- from the other worker --------------------------------------------------------------------

    def pipe_made(self) -> None:
        """Give it what has come."""
        assert self._pipe is not None
        self._is_open = True
        if self._is_lost:
            self._pipe.close()
            return
        self._pipe.say(Kind.DATA, b"".join(self._early))
        self._early.clear()
        self._go_on()

    def message_received(self, kind: int, body: bytes) -> None:
        """Do what it says."""
        if self._is_lost:
            return
        match kind:
            case Kind.DATA:
                self._session.write(body)
            case Kind.CLOSE:
                code, words = int.from_bytes(body[:4], "big"), body[4:].decode(errors="replace")
                self._session.close(code, words)
            case Kind.REFUSE:
                self._session.refuse(body.decode(errors="replace"))
            case Kind.PAUSE:
                self._is_paused_there = True
                self._session.pause_reading()
            case Kind.RESUME:
                self._is_paused_there = False
                self._go_on()

    def pipe_full(self, *, is_full: bool) -> None:
        """It is slow, or has caught up."""
        self._is_full = is_full
        if is_full:
            self._session.pause_reading()
        else:
            self._go_on()

    def _go_on(self) -> None:
        if not (self._is_paused_there or self._is_full or self._is_lost):
            self._session.resume_reading()

    def pipe_lost(self) -> None:
        """It has ended the session, or is dead."""
        self._pipe = None
        self._early.clear()
        if not self._is_lost:
            self._session.abort()
