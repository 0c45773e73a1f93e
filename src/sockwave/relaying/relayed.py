"""Requests of polling clients that have come here, for sessions of other servers.

A request is read and answered here, by the rules and limits of this server; what is in it, and what
is to be in the answer, goes between here and the owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.engine.core.transport import NOBODY
from sockwave.engine.server.exchange import NO_SNIFF, PLAIN, HttpExchange
from sockwave.engine.server.rules.rates import RETRY_AFTER
from sockwave.engine.server.rules.verification import ErrorCode, Refused, error_body
from sockwave.engine.server.transports.payloads import REVISION_4, TooManyPackets, is_octets
from sockwave.engine.server.transports.polling import POST_HEADERS, PollingTransport
from sockwave.errors import PacketError
from sockwave.relaying.node import Outcome
from sockwave.relaying.wire import RelayType, is_ours, number_in, outgoing, packets_in, sent_up
from sockwave.types import DisconnectReason, TransportName

if TYPE_CHECKING:
    from sockwave.engine.core.transport import Transport
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.exchange import UpgradeExchange
    from sockwave.relaying.node import RelayNode
    from sockwave.relaying.wire import RelayMessage

__all__ = ["RelayedPoll", "RelayedPost", "Relays", "refuse", "tell_closed"]

BUSY: Final = b"the server of this session cannot be reached"


class Relays(Protocol):
    """What requests that are relayed share."""

    @property
    def engine(self) -> EngineServer:
        """Of this server."""

    @property
    def node(self) -> RelayNode:
        """Reaches the others."""

    def poll_opened(self, poll: RelayedPoll) -> None:
        """A poll waits for packets."""

    def poll_closed(self, poll: RelayedPoll) -> None:
        """It waits no longer."""


def refuse(
    engine: EngineServer, exchange: HttpExchange | UpgradeExchange, sid: str, outcome: Outcome
) -> None:
    """Answer a request that no other server serves."""
    if outcome is Outcome.UNKNOWN:
        engine.refuse(exchange, Refused(ErrorCode.UNKNOWN_SID, {"sid": sid}))
        return
    request = exchange.request
    engine.peer_log.info(request.client, "refused:", BUSY.decode())
    headers = [*PLAIN, ("Retry-After", str(RETRY_AFTER)), *engine.error_headers(request)]
    if isinstance(exchange, HttpExchange):
        exchange.respond(503, headers, BUSY)
    else:
        exchange.reject(503, headers, BUSY)


def tell_closed(
    node: RelayNode, sid: str, owner: str, reason: DisconnectReason, transport: TransportName
) -> None:
    """Tell the owner that the client has gone, or has broken the protocol.

    Args:
        transport: Where: what is left of polling does not matter when the session has moved.
    """
    known = (DisconnectReason.TRANSPORT_CLOSE, DisconnectReason.TRANSPORT_ERROR)
    if reason not in known and not (reason is DisconnectReason.PARSE_ERROR and is_ours(owner)):
        reason = DisconnectReason.TRANSPORT_ERROR  # the reference has no other words
    node.forget_owner(sid)
    data = {"sid": sid, "reason": reason.value}
    if is_ours(owner):
        data["transport"] = transport
    node.send(RelayType.CLOSE, data, owner)


class RelayedPoll:
    """A GET: it waits here until its owner drains.

    Args:
        relays: Knows it meanwhile.
        exchange: The request.
        sid: Of the session.

    Attributes:
        sid: The same.
        owner: Id of the server that has the session; empty until that is known.
    """

    def __init__(self, relays: Relays, exchange: HttpExchange, sid: str) -> None:
        self.sid = sid
        self.owner: str = ""
        self.wheel_slot = 0
        self._relays = relays
        self._engine = relays.engine
        self._exchange = exchange
        self._transport = PollingTransport(relays.engine, None, REVISION_4)
        self._is_lost = False
        exchange.owner = self

    # --- before the owner is known ----------------------------------------------------------------

    def ask(self) -> None:
        """Look for the owner."""
        self._relays.node.acquire(self.sid, "polling", "read", self._granted, self._refused)

    def body_received(self, exchange: HttpExchange, body: bytes) -> None:
        """A GET has none that matters."""

    def body_too_large(self, exchange: HttpExchange) -> None:
        """The front end answers."""
        self._is_lost = True

    def exchange_lost(self, exchange: HttpExchange) -> None:
        """The client has gone already."""
        self._is_lost = True

    def _refused(self, outcome: Outcome) -> None:
        if not self._is_lost:
            self._exchange.owner = None
            refuse(self._engine, self._exchange, self.sid, outcome)

    def _granted(self, owner: str) -> None:
        self.owner = owner
        if self._is_lost:
            self._tell_closed(DisconnectReason.TRANSPORT_ERROR)
            return
        self._relays.poll_opened(self)
        self._relays.node.opened(owner, self)
        driver, options = self._engine.driver, self._engine.options
        driver.schedule(self, driver.clock() + options.ping_interval + options.ping_timeout)
        self._transport.receiver = self
        self._transport.poll_received(self._exchange)
        if self._engine.is_stopping:
            self.release()

    # --- while it waits ---------------------------------------------------------------------------

    def release(self) -> None:
        """This server stops: let the client come back elsewhere, with what there is for it."""
        if is_ours(self.owner):
            self._exchange.close_after()
            self._relays.node.send(RelayType.RELEASE, {"sid": self.sid}, self.owner)

    def drained(self, message: RelayMessage) -> None:
        """Answer with these packets.

        Raises:
            PacketError: They are none; the client begins anew.
        """
        try:
            packets = [outgoing(each) for each in packets_in(message.data)]
        except PacketError:
            self._fail(Outcome.UNKNOWN)
            raise
        self._over()
        self._transport.write(packets or [b"6"])

    def ended(self, message: RelayMessage) -> None:
        """The owner does not serve it after all."""
        self._fail(Outcome.UNKNOWN)

    def peer_gone(self) -> None:
        """The owner is gone."""
        self._relays.node.forget_owner(self.sid)
        self._fail(Outcome.UNKNOWN)

    def handle_timeout(self, now: float) -> None:
        """The owner would have sent a ping by now."""
        self.peer_gone()

    def _fail(self, outcome: Outcome) -> None:
        self._over()
        self._exchange.owner = None
        refuse(self._engine, self._exchange, self.sid, outcome)

    def _over(self) -> None:
        self._transport.receiver = NOBODY
        self._engine.driver.cancel(self)
        self._relays.node.closed(self.owner, self)
        self._relays.poll_closed(self)

    def _tell_closed(self, reason: DisconnectReason) -> None:
        tell_closed(self._relays.node, self.sid, self.owner, reason, "polling")

    # --- from the transport that writes the answer ------------------------------------------------

    def text_received(self, packet: bytes) -> None:
        """A GET brings none."""

    def binary_received(self, data: bytes) -> None:
        """A GET brings none."""

    def transport_writable(self, transport: Transport) -> None:
        """It waits."""

    def transport_closed(
        self, transport: Transport, reason: DisconnectReason, description: str
    ) -> None:
        """The client has gone."""
        self._over()
        self._tell_closed(reason)


class RelayedPost:
    """A POST: its packets go to the owner, and it is answered when they are handled there.

    Args:
        relays: Reaches the owner.
        exchange: The request.
        sid: Of the session.
    """

    def __init__(self, relays: Relays, exchange: HttpExchange, sid: str) -> None:
        self._relays = relays
        self._engine = relays.engine
        self._exchange = exchange
        self._sid = sid
        self._owner: str | None = None
        self._body: bytes | None = None
        self._is_over = False
        self._is_broken = False  # what comes behind the packets is none
        exchange.owner = self

    def ask(self) -> None:
        """Look for the owner."""
        self._relays.node.acquire(self._sid, "polling", "write", self._granted, self._refused)

    def _refused(self, outcome: Outcome) -> None:
        if not self._is_over:
            self._is_over = True
            self._exchange.owner = None
            refuse(self._engine, self._exchange, self._sid, outcome)

    def _granted(self, owner: str) -> None:
        self._owner = owner
        if self._is_over:
            self._tell_closed(DisconnectReason.TRANSPORT_ERROR)
        else:
            self._go_on()

    # --- from the front end -----------------------------------------------------------------------

    def body_received(self, exchange: HttpExchange, body: bytes) -> None:
        """The whole body is there."""
        self._body = body
        self._go_on()

    def body_too_large(self, exchange: HttpExchange) -> None:
        """The front end answers. What the client sent is lost, so the session ends."""
        self._lose()

    def exchange_lost(self, exchange: HttpExchange) -> None:
        """The client has gone: it cannot know what arrived, so the session ends."""
        self._lose()

    def _lose(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._tell_closed(DisconnectReason.TRANSPORT_ERROR)

    def _tell_closed(self, reason: DisconnectReason) -> None:
        if self._owner is not None:
            tell_closed(self._relays.node, self._sid, self._owner, reason, "polling")

    # --- when owner and body are there ------------------------------------------------------------

    def _go_on(self) -> None:
        if self._body is None or self._owner is None or self._is_over:
            return
        body, self._body = self._body, None
        request = self._exchange.request
        if is_octets(request):
            self._end_session(400, DisconnectReason.TRANSPORT_ERROR)
            return
        packets: list[dict[str, Any]] = []
        limit = self._engine.options.limits.packets_per_post
        try:
            for packet in REVISION_4.decode(body, request, limit):
                packets.append(sent_up(packet))  # noqa: PERF401 # those before a bad one are kept
        except TooManyPackets:
            self._end_session(413, DisconnectReason.TRANSPORT_ERROR)
            return
        except PacketError:  # those before it count
            self._is_broken = True
        self._send(self._owner, packets)

    def _send(self, owner: str, packets: list[dict[str, Any]]) -> None:
        node, options = self._relays.node, self._engine.options
        if is_ours(owner):
            data = {"sid": self._sid, "packets": packets}
            longest = options.ping_interval + options.ping_timeout
            node.opened(owner, self)
            node.ask(RelayType.POST, data, owner, self._answered, self._unanswered, longest)
            return
        for packet in packets:
            node.send(RelayType.PACKET, {"sid": self._sid, "packet": packet}, owner)
        self._respond(200)

    def _answered(self, message: RelayMessage) -> None:
        try:
            status = number_in(message.data, "status")
        except PacketError:
            status = 400
        self._respond(status)

    def _unanswered(self) -> None:
        """Nobody knows whether the packets have arrived: the session cannot go on."""
        self._relays.node.forget_owner(self._sid)
        self._finish()
        if not self._is_over:
            self._is_over = True
            self._exchange.owner = None
            refuse(self._engine, self._exchange, self._sid, Outcome.BUSY)

    def peer_gone(self) -> None:
        """The owner is gone."""
        self._unanswered()

    def _finish(self) -> None:
        if self._owner is not None:
            self._relays.node.closed(self._owner, self)

    def _end_session(self, status: int, reason: DisconnectReason) -> None:
        self._respond(status)
        self._tell_closed(reason)

    def _respond(self, status: int) -> None:
        self._finish()
        if self._is_broken:
            self._tell_closed(DisconnectReason.PARSE_ERROR)
        if self._is_over:
            return
        self._is_over = True
        engine, exchange = self._engine, self._exchange
        exchange.owner = None
        if status == 200:
            headers = engine.success_headers(POST_HEADERS, exchange.request, None)
            exchange.respond(200, headers, b"ok")
        elif status == 429:
            told = [("Content-Type", "application/json"), *NO_SNIFF]
            told += engine.error_headers(exchange.request)
            exchange.respond(429, told, error_body(ErrorCode.RATE_LIMIT_EXCEEDED))
        else:
            status = status if 400 <= status <= 599 else 400
            exchange.respond(status, engine.error_headers(exchange.request))
