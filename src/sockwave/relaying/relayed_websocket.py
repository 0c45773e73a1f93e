"""A WebSocket that has come here, of a session of another server.

The client tries it while it polls, anywhere (docs/protocol/upgrade.md). Its `2probe` is answered
here; with its `5` the owner is told, which goes on with the session on this WebSocket from then on.
A server in JavaScript that has not shown the session to its application yet leaves it to this one
instead (`takeOver`): then it is a session of ours.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol

from sockwave.codec.engineio import BinaryMessage, decode_base64_packet
from sockwave.engine.core.transport import NOBODY
from sockwave.engine.core.upgrade import MAX_PROBES
from sockwave.engine.server.opening import accept_websocket
from sockwave.errors import PacketError
from sockwave.relaying.relayed import Relays, refuse, tell_closed
from sockwave.relaying.streams import Gap, Inflow, Outflow
from sockwave.relaying.wire import RelayType, incoming, outgoing, packets_in, sent_up, size_of
from sockwave.types import DisconnectReason, SessionId

if TYPE_CHECKING:
    from sockwave.codec.engineio import ReceivedPacket
    from sockwave.engine.core.transport import Transport
    from sockwave.engine.server.exchange import UpgradeExchange
    from sockwave.relaying.node import Outcome
    from sockwave.relaying.wire import RelayMessage

__all__ = ["RelayedWebSocket", "WebSocketRelays"]


class WebSocketRelays(Relays, Protocol):
    """What WebSockets that are relayed share."""

    def websocket_opened(self, websocket: RelayedWebSocket) -> None:
        """One carries a session, or is on trial for it."""

    def websocket_closed(self, websocket: RelayedWebSocket) -> None:
        """It does no longer."""


class _Phase(Enum):
    ASKING = auto()
    """The owner is looked for."""
    TRIAL = auto()
    """The client has not said that it moves."""
    MOVING = auto()
    """It has; the owner has not answered yet."""
    OPEN = auto()
    """It carries the session."""
    OVER = auto()


class RelayedWebSocket:
    """One of them.

    Args:
        relays: Knows it while it is open.
        upgrade: The request.
        sid: Of the session.

    Attributes:
        sid: The same.
        owner: Id of the server that has the session; empty until that is known.
        accounted: Bytes that the process counts for it.
    """

    def __init__(self, relays: WebSocketRelays, upgrade: UpgradeExchange, sid: str) -> None:
        self.sid = sid
        self.owner: str = ""
        self.wheel_slot = 0
        self.accounted = 0
        self._relays = relays
        self._node = relays.node
        self._engine = relays.engine
        self._upgrade = upgrade
        self._phase = _Phase.ASKING
        self._probes = 0
        self._is_paused = False
        self._transport: Transport | None = None
        self._outflow = Outflow("")
        self._inflow = Inflow(self._node, sid, "")
        self._untold = 0

    def ask(self) -> None:
        """Look for the owner."""
        self._node.acquire(self.sid, "websocket", "read", self._granted, self._refused)

    def _refused(self, outcome: Outcome) -> None:
        self._phase = _Phase.OVER
        refuse(self._engine, self._upgrade, self.sid, outcome)

    def _granted(self, owner: str) -> None:
        self.owner = owner
        transport = accept_websocket(self._engine, self._upgrade, None, None)
        if transport is None:  # the client has gone meanwhile
            self._phase = _Phase.OVER
            self._tell_failed()
            return
        self._phase = _Phase.TRIAL
        self._transport = transport
        self._outflow, self._inflow = Outflow(owner), Inflow(self._node, self.sid, owner)
        self._relays.websocket_opened(self)
        self._node.opened(owner, self)
        driver = self._engine.driver
        driver.schedule(self, driver.clock() + self._engine.options.upgrade_timeout)
        transport.receiver = self

    # --- from the client --------------------------------------------------------------------------

    def text_received(self, packet: bytes) -> None:
        """A packet.

        Raises:
            PacketError: It is none; the WebSocket is closed for it.
        """
        if self._phase in (_Phase.OPEN, _Phase.MOVING):
            is_base64 = packet[:1] == b"b"
            self._send(BinaryMessage(decode_base64_packet(packet)) if is_base64 else packet)
        elif self._phase is _Phase.TRIAL:
            self._tried(packet)

    def _tried(self, packet: bytes) -> None:
        if packet == b"2probe" and self._probes < MAX_PROBES and self._transport is not None:
            self._probes += 1
            self._transport.write([b"3probe"])
        elif packet[:1] == b"5":
            self._move()
        else:
            self._fail()

    def binary_received(self, data: bytes) -> None:
        """A binary message."""
        if self._phase in (_Phase.OPEN, _Phase.MOVING):
            self._send(BinaryMessage(data))
        elif self._phase is _Phase.TRIAL:
            self._fail()

    def _send(self, packet: ReceivedPacket) -> None:
        data: dict[str, Any] = {"sid": self.sid, "packet": sent_up(packet)}
        numbered = self._outflow.number(data, size_of((packet,)))
        self._node.send(RelayType.PACKET, numbered, self.owner)
        if self._outflow.is_full:
            self._pause()

    def _pause(self) -> None:
        if not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def transport_writable(self, transport: Transport) -> None:
        """It has taken all that it was given."""
        self._account()
        self._tell_taken()

    def transport_closed(
        self, transport: Transport, reason: DisconnectReason, description: str
    ) -> None:
        """It has ended."""
        phase = self._phase
        self._over()
        if phase is _Phase.TRIAL:
            self._tell_failed()
        elif phase is not _Phase.OVER:
            tell_closed(self._node, self.sid, self.owner, reason, "websocket")

    # --- the move ---------------------------------------------------------------------------------

    def _move(self) -> None:
        self._phase = _Phase.MOVING
        self._engine.driver.cancel(self)
        self._pause()  # until it is known whose the session is
        data = {"sid": self.sid, "success": True}
        self._node.ask(RelayType.UPGRADE, data, self.owner, self._moved, self._close)

    def _moved(self, answer: RelayMessage) -> None:
        if self._phase is not _Phase.MOVING:
            return
        if answer.data.get("takeOver") is True:
            self._take_over(answer)
            return
        self._phase = _Phase.OPEN
        if not self._outflow.is_full:
            self._resume()

    def _take_over(self, answer: RelayMessage) -> None:
        """The session is ours from now on, with what the client has sent meanwhile."""
        transport = self._transport
        if transport is None or self.sid in self._engine.sessions:
            self._close()
            return
        packets = [incoming(each) for each in packets_in(answer.data)]
        self._over()
        self._node.forget_owner(self.sid)
        id_ = SessionId(self.sid)
        session = self._engine.open_session(id_, transport, self._upgrade.request, None)
        session.upgraded = True
        transport.receiver = session
        self._engine.session_handler(session)
        session.request.pack()
        try:
            for packet in packets:
                if isinstance(packet, BinaryMessage):
                    session.binary_received(packet.data)
                else:
                    session.text_received(packet)
        except PacketError as error:
            session.discard(DisconnectReason.PARSE_ERROR, str(error))
        transport.resume_reading()

    def _tell_failed(self) -> None:
        """The client stays where it is."""
        self._node.send(RelayType.UPGRADE, {"sid": self.sid, "success": False}, self.owner)

    def handle_timeout(self, now: float) -> None:
        """It does not move."""
        self._fail()

    def _fail(self) -> None:
        transport = self._transport
        self._over()
        self._tell_failed()
        if transport is not None:
            transport.discard()

    # --- from the owner ---------------------------------------------------------------------------

    def drained(self, message: RelayMessage) -> None:
        """Packets for the client.

        Raises:
            PacketError: They are none; the WebSocket is closed for it.
        """
        transport = self._transport
        if transport is None or self._phase not in (_Phase.OPEN, _Phase.MOVING):
            return
        try:
            if not self._inflow.is_next(message.data):
                return
            packets = [outgoing(each) for each in packets_in(message.data)]
        except Gap:
            self._lose()
            return
        except PacketError:
            self._lose()
            raise
        is_last = b"1" in packets
        if is_last:
            packets = packets[: packets.index(b"1")]
        self._untold += size_of(packets)
        if packets:
            transport.write(packets)
        if is_last:
            transport.close()
        elif transport.is_writable:
            self._tell_taken()
        self._account()

    # --- what a client does not take, in the account of the process -------------------------------

    @property
    def held(self) -> int:
        """Bytes that are held back for the client."""
        return 0 if self._transport is None else self._transport.buffered()

    def discard(self, reason: DisconnectReason, description: str) -> None:
        """End it: the process holds too much, and most of that for this client."""
        self._engine.peer_log.info(self._upgrade.request.client, f"{reason}: {description}")
        self._lose()

    def _account(self) -> None:
        transport = self._transport
        if transport is not None and (self.accounted or not transport.is_writable):
            self._engine.driver.backlog_grew(self)

    def _tell_taken(self) -> None:
        size, self._untold = self._untold, 0
        if size:
            self._inflow.took(size)

    def taken(self, message: RelayMessage) -> None:
        """The owner has taken so much.

        Raises:
            PacketError: It does not say how much.
        """
        self._outflow.told(message.data)
        if self._phase is _Phase.OPEN and not self._outflow.is_full:
            self._resume()

    def ended(self) -> None:
        """The owner has done with it."""
        self._close()

    def peer_gone(self) -> None:
        """The owner is gone."""
        self._close()

    def _lose(self) -> None:
        """Something is missing: the client begins anew, and so does the owner."""
        reason = DisconnectReason.TRANSPORT_ERROR
        tell_closed(self._node, self.sid, self.owner, reason, "websocket")
        self._close()

    def _close(self) -> None:
        """Close it, and say nothing to the owner."""
        transport = self._transport
        if self._phase is not _Phase.OVER:
            self._over()
            self._node.forget_owner(self.sid)
            if transport is not None:
                transport.discard()

    def _over(self) -> None:
        self._phase = _Phase.OVER
        self._engine.driver.cancel(self)
        if self._transport is not None:
            self._transport.receiver = NOBODY
            self._transport = None
            self._engine.driver.forget_backlog(self)
            self._node.closed(self.owner, self)
            self._relays.websocket_closed(self)
