"""The owner's side of a WebSocket that another server has: a transport of the session."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from sockwave.codec.engineio import BinaryMessage
from sockwave.engine.core.rate import RateExceeded
from sockwave.engine.core.taking import Taken
from sockwave.engine.core.transport import NOBODY, SLICE
from sockwave.errors import PacketError
from sockwave.relaying.streams import Gap, Inflow, Outflow
from sockwave.relaying.wire import RelayType, sent_down, size_of
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.codec.engineio import ReceivedPacket
    from sockwave.engine.core.transport import Outgoing, TransportReceiver
    from sockwave.engine.server.driver import Driver
    from sockwave.relaying.node import RelayNode
    from sockwave.types import TransportName

__all__ = ["RemoteWebSocket"]

HELD_SHARE: Final = 4
"""Bytes that are held while the session does not read, in `max_payload`: servers of ours stop long
before (`WINDOW`), those in JavaScript do not."""


class RemoteWebSocket:
    """Carries a session on a WebSocket of another server; see `Transport` for the contract.

    Until the client has moved there it is on trial, and nothing is sent.

    Args:
        node: Brings messages.
        driver: Of the engine.
        sid: Of the session.
        peer: Id of the other server.
        ended: Called once, when nothing comes or goes any more.
    """

    __slots__ = (
        "_driver",
        "_ended",
        "_held",
        "_held_size",
        "_inflow",
        "_is_handling",
        "_is_over",
        "_is_paused",
        "_node",
        "_outflow",
        "has_moved",
        "is_writable",
        "peer",
        "receiver",
        "sid",
    )
    name: TransportName = "websocket"
    direct = None
    slice = SLICE

    def __init__(
        self,
        node: RelayNode,
        driver: Driver,
        sid: str,
        peer: str,
        ended: Callable[[RemoteWebSocket], None],
    ) -> None:
        self.receiver: TransportReceiver = NOBODY
        self.is_writable: bool = True
        self.has_moved: bool = False
        self.peer: str = peer
        self._node = node
        self._driver = driver
        self.sid: str = sid
        self._ended = ended
        self._outflow = Outflow(peer)
        self._inflow = Inflow(node, sid, peer)
        self._held: deque[ReceivedPacket] = deque()
        self._held_size = 0
        self._is_paused = False
        self._is_handling = False
        self._is_over = False
        node.opened(peer, self)

    # --- the contract of a transport --------------------------------------------------------------

    def write(self, packets: list[Outgoing]) -> None:
        """Send packets; writable as long as the other server takes them."""
        if not self.has_moved or self._is_over:
            return  # `3probe`: the other server has said that
        self._drain(packets)
        self.is_writable = not self._outflow.is_full

    def _drain(self, packets: list[Outgoing]) -> None:
        data: dict[str, Any] = {"sid": self.sid, "packets": sent_down(packets)}
        numbered = self._outflow.number(data, size_of(packets))
        self._node.send(RelayType.DRAIN, numbered, self.peer)

    def buffered(self) -> int:
        """Bytes that the other server has not got rid of."""
        return self._outflow.waiting

    def progress(self) -> Taken:
        """How far the other server is."""
        return Taken(self._outflow.taken, self._outflow.waiting)

    def close(self) -> None:
        """Have it closed after what was written; the other server tells when it is."""
        if not self._is_over:
            self.is_writable = False
            self._drain([b"1"])

    def discard(self) -> None:
        """Have it closed."""
        if not self._is_over:
            if self.has_moved:
                self._drain([b"1"])
            else:
                self._tell_ended()
            self._over()

    def pause_reading(self) -> None:
        """Hold what comes; servers of ours send no more than `WINDOW`."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """Go on, in one of the next turns."""
        if self._is_paused:
            self._is_paused = False
            self._go_on_later()

    # --- from the other server --------------------------------------------------------------------

    def packet_received(self, packet: ReceivedPacket, data: dict[str, Any], most: int) -> None:
        """The client has sent a packet.

        Args:
            data: Of the message that has brought it.
            most: Bytes of a payload.
        """
        try:
            if not self._inflow.is_next(data):
                return
        except Gap:
            self.lose(DisconnectReason.TRANSPORT_ERROR, "a message between servers was lost")
            return
        self._held.append(packet)
        self._held_size += size_of((packet,))
        if self._held_size > HELD_SHARE * most:
            self.lose(DisconnectReason.TRANSPORT_ERROR, "more comes than is taken")
        elif not self._is_handling:
            self._handle()

    def _go_on_later(self) -> None:
        if not self._is_handling and self._held:
            self._is_handling = True
            self._driver.turns.later(self._go_on, self._held_size)

    def _go_on(self) -> None:
        self._is_handling = False
        self._driver.turns.credit = 0
        self._handle()

    def _handle(self) -> None:
        """Hand on what is held, as long as the turn lasts."""
        self._is_handling = True
        try:
            while self._held and not self._is_paused and not self._is_over:
                packet = self._held.popleft()
                size = size_of((packet,))
                self._held_size -= size
                if isinstance(packet, BinaryMessage):
                    self.receiver.binary_received(packet.data)
                else:
                    self.receiver.text_received(packet)
                self._inflow.took(size)
                if not self._driver.turns.takes(size):
                    break
        except RateExceeded:
            self.discard()  # the session has ended for it
        except PacketError as error:
            self.lose(DisconnectReason.PARSE_ERROR, str(error))
        finally:
            self._is_handling = False
        if not self._is_paused and not self._is_over:
            self._go_on_later()

    def taken(self, data: dict[str, Any]) -> None:
        """The other server tells how much it has got rid of.

        Raises:
            PacketError: It does not.
        """
        self._outflow.told(data)
        if not self.is_writable and self.has_moved and not self._outflow.is_full:
            self.is_writable = not self._is_over
            if self.is_writable:
                self.receiver.transport_writable(self)

    def closed(self, reason: DisconnectReason) -> None:
        """The client has gone there."""
        self._tell_closed(reason, "")

    def lose(self, reason: DisconnectReason, description: str) -> None:
        """End it: it cannot go on."""
        if not self._is_over:
            self._tell_ended()
            self._tell_closed(reason, description)

    def peer_gone(self) -> None:
        """The other server is gone, and the client's connection with it."""
        reason = DisconnectReason.TRANSPORT_CLOSE
        self._tell_closed(reason, "the server of the connection is gone")

    def _tell_closed(self, reason: DisconnectReason, description: str) -> None:
        if not self._is_over:
            self._over()
            receiver, self.receiver = self.receiver, NOBODY
            receiver.transport_closed(self, reason, description)

    def _tell_ended(self) -> None:
        data = {"sid": self.sid, "transport": self.name}
        self._node.send(RelayType.ENDED, data, self.peer)

    def _over(self) -> None:
        self._is_over = True
        self.is_writable = False
        self._held.clear()
        self._held_size = 0
        self._node.closed(self.peer, self)
        self._ended(self)
