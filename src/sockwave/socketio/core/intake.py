"""What came from a peer and is not done with: handlers that run, and events that wait for them.

Theory: a connection hands each event to its handlers at once, and what of it goes on is only
counted here (`charge`, `ended`). So it is until so many handlers run, or events of so many bytes,
that no more may begin (`is_shut`), or until a handler has to be alone with its client (`lock`).
From then on the connection is *held*: its session hands messages to the intake, which sorts them
before they are decoded.

- Events wait, as they came, in order.
- Acknowledgements pass: the handlers that run may be waiting for just these, and then neither would
  ever end. Heartbeats do not come this far.
- A DISCONNECT waits behind the events before it: the peer meant them. A CONNECT waits behind such a
  DISCONNECT, for it may be of the same namespace; without one before it, it is of another.
- All else the connection gets at once, so that who breaks the protocol is not served until then.

When a handler ends, events are taken from the front, in a later turn of the loop and some at a
time, so that a peer with many small events holds up no other. When none waits, the connection is
released, and has its messages straight from its session again.

There are two bounds. Half of `max_bytes` is for what runs, and shuts. All of it is for what runs
and what waits, and only then is nothing more read from the peer; reading goes on at half of it, so
that it does not stop and go with each event. Nobody is disconnected for holding much.

What must never happen: an event before one that came earlier, or between another and its
attachments; an end to reading while the connection needs attachments of an event that it has begun,
since nothing else would let it go on.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from sockwave.codec.engineio import check_utf8
from sockwave.codec.socketio import Packet, PacketType, attachment_count
from sockwave.errors import PacketError
from sockwave.socketio.core.account import Account
from sockwave.socketio.core.running import waits_in

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from sockwave.types import DisconnectReason

__all__ = ["Account", "Intake", "IntakeDriver", "IntakeHost"]

EVENTS_PER_TURN: Final = 256
"""Events that have waited, taken before others get their turn."""

EVENTS_PER_LOOK: Final = 16
"""Events taken between two looks at the clock: handlers may take long."""

EVENT_SECONDS: Final = 0.002
"""Time after which others get their turn all the same."""

HANDLER_COST: Final = 2_048
"""Bytes that a handler that waits takes beside its arguments: task, coroutines, frames."""

EVENT_COST: Final = 128
"""Bytes that an event that waits takes beside its text and attachments."""

_EVENT: Final = b"2"
_BINARY_EVENT: Final = b"5"
_DISCONNECT: Final = b"1"
_CONNECT: Final = b"0"

_Waiting: TypeAlias = "bytes | list[bytes] | tuple[Packet, int]"
"""An event as its text, with its attachments behind it, or decoded, with the bytes it takes."""


class IntakeDriver(Protocol):
    """What it needs of the event loop."""

    def turn_clock(self) -> float:
        """Monotonic seconds that go on during a turn of the loop."""

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run in a later turn of the loop."""


class IntakeHost(Protocol):
    """The connection that it sorts for."""

    def session_drained(self) -> None:
        """Everything queued was taken."""

    def session_closed(self, reason: DisconnectReason, description: Any) -> None:
        """The session is over."""

    @property
    def is_reassembling(self) -> bool:
        """Whether attachments of a packet are missing."""

    def take_text(self, packet: bytes) -> None:
        """Decode a text message and act on it."""

    def take_binary(self, data: bytes) -> None:
        """The same of a binary message."""

    def take_packet(self, packet: Packet, size: int) -> None:
        """Act on a packet that was decoded when it came."""

    def sort_by(self, intake: Intake | None) -> None:
        """Hand messages to the intake from now on, or again to the connection."""

    def pause_reading(self) -> None:
        """Take nothing more from the peer."""

    def resume_reading(self) -> None:
        """Go on."""

    def reading_stopped(self, why: str) -> None:
        """Say so, in the log."""

    def emptied(self) -> None:
        """No event waits any more."""

    def broken(self, error: PacketError) -> None:
        """The peer has broken the protocol."""


class Intake:
    """Bounds what handlers of one connection have to do; see the module.

    Args:
        host: The connection; a client's has another after each reconnection.
        max_handlers: Handlers that run at a time.
        max_bytes: Of what runs and what waits. Half of it is for what runs.
        max_attachments: Of one event.
        account: Shared with other connections.

    Attributes:
        fresh: Handlers that have begun and wait, and were not counted by `charge` yet.
        held: Bytes of what runs and what waits.
    """

    __slots__ = (
        "_account",
        "_charges",
        "_driver",
        "_is_held",
        "_is_scheduled",
        "_is_stopped",
        "_leaving",
        "_locks",
        "_max_attachments",
        "_max_bytes",
        "_max_handlers",
        "_missing",
        "_running_bytes",
        "_waiting",
        "fresh",
        "held",
        "host",
    )

    def __init__(
        self,
        host: IntakeHost,
        driver: IntakeDriver,
        *,
        max_handlers: int,
        max_bytes: int,
        max_attachments: int,
        account: Account,
    ) -> None:
        self.host: IntakeHost = host
        self.fresh: list[Hashable] = []
        self.held: int = 0
        self._driver = driver
        self._max_handlers = max_handlers
        self._max_bytes = max_bytes
        self._max_attachments = max_attachments
        self._account = account
        self._charges: dict[Hashable, int] = {}
        self._running_bytes = 0
        self._locks = 0
        self._waiting: deque[_Waiting] = deque()
        self._leaving = 0
        self._missing = 0
        self._is_held = False
        self._is_stopped = False
        self._is_scheduled = False

    @property
    def is_shut(self) -> bool:
        """Whether no handler may begin."""
        return (
            self._locks > 0
            or len(self._charges) >= self._max_handlers
            or self._running_bytes >= self._max_bytes // 2
        )

    @property
    def is_held(self) -> bool:
        """Whether what comes is sorted here."""
        return self._is_held

    @property
    def has_waiting(self) -> bool:
        """Whether events wait."""
        return bool(self._waiting)

    @property
    def has_goodbye(self) -> bool:
        """Whether a DISCONNECT waits: what came before it is meant, whatever came after."""
        return self._leaving > 0

    # --- handlers ---------------------------------------------------------------------------------

    def charge(self, size: int) -> None:
        """Count the handlers that have begun for a packet.

        Args:
            size: Bytes of its arguments, which all of them hold.
        """
        fresh = self.fresh
        size += HANDLER_COST
        for handler in fresh:
            self._charges[handler] = size
        size *= len(fresh)
        fresh.clear()
        self._running_bytes += size
        self._grow(size)
        if not self._is_held and self.is_shut:
            self._hold()
        self._look()

    def inherit(self, handler: Hashable) -> None:
        """Count handlers that have begun for the packet of one that ends."""
        size = self._charges.get(handler)
        if self.fresh and size is not None:
            self.charge(size - HANDLER_COST)

    def ended(self, handler: Hashable) -> None:
        """A handler that was waited for has ended."""
        size = self._charges.pop(handler, None)
        if size is None:
            if handler in self.fresh:
                self.fresh.remove(handler)
            return
        self._running_bytes -= size
        self._shrink(size)
        self._wake()

    def lock(self) -> None:
        """Let no other handler begin until `unlock`."""
        self._locks += 1
        if not self._is_held:
            self._hold()

    def unlock(self) -> None:
        """Others may begin."""
        self._locks -= 1
        self._wake()

    # --- what comes while the connection is held --------------------------------------------------

    def text_message(self, packet: bytes) -> None:
        """Sort a text message.

        Raises:
            TextEncodingError: It is not UTF-8.
        """
        if self._missing:
            self.host.broken(PacketError("got plaintext data when reconstructing a packet"))
            return
        kind = packet[1:2]
        if kind == _EVENT:
            check_utf8(packet)
            self._keep(packet)
        elif kind == _BINARY_EVENT:
            check_utf8(packet)
            try:
                self._missing = attachment_count(packet, self._max_attachments)
            except PacketError as error:
                self.host.broken(error)
                return
            self._keep([packet])
        elif kind == _DISCONNECT and (self._waiting or self._locks):
            self._leaving += 1
            self._keep(packet)
        elif kind == _CONNECT and self._leaving:
            self._keep(packet)
        else:
            self.host.take_text(packet)

    def binary_message(self, data: bytes) -> None:
        """Sort an attachment."""
        if self._missing:
            self._missing -= 1
            event = self._waiting[-1]
            assert isinstance(event, list)
            event.append(data)
            self._grow(len(data))
            self._look()
        else:
            self.host.take_binary(data)
            self._wake()

    def session_drained(self) -> None:
        """What is not for the intake goes to the connection."""
        self.host.session_drained()

    def session_closed(self, reason: DisconnectReason, description: str) -> None:
        """Likewise."""
        self.host.session_closed(reason, description)

    def must_wait(self, packet: Packet) -> bool:
        """Whether a packet that had to be decoded, to see what it is, has to wait."""
        if not self._is_held:
            return False
        if packet.type is PacketType.EVENT:
            return True
        if packet.type is PacketType.DISCONNECT:
            return bool(self._waiting or self._locks)
        return packet.type is PacketType.CONNECT and self._leaving > 0

    def keep_packet(self, packet: Packet, size: int) -> None:
        """Let it wait."""
        if packet.type is PacketType.DISCONNECT:
            self._leaving += 1
        self._keep((packet, size))

    def _keep(self, event: _Waiting) -> None:
        self._waiting.append(event)
        self._grow(_size(event))
        if not self._is_scheduled and not self.is_shut:
            self._schedule()
        self._look()

    # --- taking what waits ------------------------------------------------------------------------

    def _hold(self) -> None:
        self._is_held = True
        self.host.sort_by(self)

    def _wake(self) -> None:
        """Something has ended: go on with what waits, if nothing is in the way."""
        if self._is_held and not self._is_scheduled and not self.is_shut:
            if self._waiting:
                if not self.host.is_reassembling:  # else its last attachment wakes us again
                    self._schedule()
            else:
                self._release()
        if self._is_stopped:
            self.look_for_room()

    def _schedule(self) -> None:
        self._is_scheduled = True
        self._driver.call_soon(self._take)

    def _take(self) -> None:
        """Take events from the front, while handlers may begin, in slices."""
        end = None
        for taken in range(EVENTS_PER_TURN):
            if not self._waiting or self.is_shut or self.host.is_reassembling:
                break
            if taken and not taken % EVENTS_PER_LOOK:
                now = self._driver.turn_clock()
                if end is None:
                    end = now + EVENT_SECONDS
                elif now >= end:
                    break
            event = self._waiting.popleft()
            self._shrink(_size(event))
            try:
                self._hand_on(event)
            except PacketError as error:
                self.host.broken(error)
        self._is_scheduled = False
        if not self._waiting:
            self.host.emptied()
        self._wake()

    def _hand_on(self, event: _Waiting) -> None:
        if isinstance(event, bytes):
            if event[1:2] == _DISCONNECT:
                self._leaving -= 1
            self.host.take_text(event)
        elif isinstance(event, list):
            if not self._waiting:
                self._missing = 0  # what of it has not come yet goes straight to the connection
            self.host.take_text(event[0])
            for attachment in event[1:]:
                self.host.take_binary(attachment)
        else:
            if event[0].type is PacketType.DISCONNECT:
                self._leaving -= 1
            self.host.take_packet(*event)

    def _release(self) -> None:
        self._is_held = False
        self.host.sort_by(None)

    def attach(self, host: IntakeHost) -> None:
        """Sort for another connection, after the end of the one before."""
        self.clear()
        self.host = host
        if self._is_held:
            host.sort_by(self)

    def clear(self) -> None:
        """The connection is over: nothing that waits is taken."""
        self._shrink(sum(map(_size, self._waiting)))
        self._waiting.clear()
        self._leaving = self._missing = 0
        self._is_stopped = False
        self._account.forget(self)

    # --- the bounds in bytes ----------------------------------------------------------------------

    def _grow(self, size: int) -> None:
        if not self.held:
            self._account.holders += 1
        self.held += size
        self._account.total += size

    def _shrink(self, size: int) -> None:
        if not size:
            return
        self.held -= size
        self._account.total -= size
        if not self.held:
            self._account.holders -= 1
        self._account.look()

    def _look(self) -> None:
        """Stop reading where there is too much."""
        if self._is_stopped or self.host.is_reassembling:  # it must get its attachments first
            return
        if self.held >= self._max_bytes or self._account.is_over_share(self.held):
            self._is_stopped = True
            self._account.stop(self)
            self.host.pause_reading()
            self.host.reading_stopped(self._why())

    def look_for_room(self) -> None:
        """Read again, if there is room."""
        if self.held > self._max_bytes // 2 or self._account.is_over_share(self.held):
            return
        self._is_stopped = False
        self._account.forget(self)
        self.host.resume_reading()

    def _why(self) -> str:
        """Which option is in the way, and what the handlers wait for."""
        if self.held >= self._max_bytes:
            bound = f"max_pending_bytes={self._max_bytes}"
        else:
            bound = f"Limits.process_pending={self._account.limit}"
        oldest = waits_in(next(iter(self._charges), None))
        return f"{bound}, {len(self._charges)} run, the oldest in {oldest}"


def _size(event: _Waiting) -> int:
    if isinstance(event, bytes):
        return EVENT_COST + len(event)
    if isinstance(event, list):
        return EVENT_COST + sum(map(len, event))
    return EVENT_COST + event[1]
