"""The owner's side of polling: sessions whose GETs and POSTs may come to other servers."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from sockwave.engine.server.exchange import HttpExchange
from sockwave.engine.server.transports.payloads import REVISION_4
from sockwave.engine.server.transports.polling import PollingTransport
from sockwave.relaying.wire import RelayType, is_ours, sent_down, size_of
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sockwave.codec.engineio import ReceivedPacket
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.transport import Outgoing
    from sockwave.engine.server.exchange import ExchangeOwner, ResponseHeaders
    from sockwave.engine.server.transports.payloads import Payloads
    from sockwave.engine.server.transports.polling import PollingHost
    from sockwave.relaying.node import RelayNode
    from sockwave.relaying.wire import RelayMessage
    from sockwave.types import SessionId

__all__ = ["RemotePoll", "RemotePost", "SharedPolling"]

MAX_GRANTS: Final = 16
"""Servers that may bring packets of one session: clients make one request after the other."""

MAX_ASKED: Final = 16
"""Latest questions about a session that are known when they come again."""

CONFIRM_TIMEOUT: Final = 1.0
"""Seconds that a server may take to say what became of a poll there: less than who asks to serve
the next one waits for its answer."""

EARLY_SHARE: Final = 4
"""Packets that come one by one, from servers in JavaScript, are kept while the session does not
read, up to so many times `max_payload`: nothing holds these servers back."""


class RemoteExchange(HttpExchange):
    """A request of a client at another server.

    Args:
        request: The session's first one, in place of that which nobody has told.
        node: Sends what becomes of it.
        sid: Of the session.
        peer: Id of the other server.
    """

    __slots__ = ("_node", "_peer", "_sid")

    owner: ExchangeOwner | None

    def __init__(self, request: Request, node: RelayNode, sid: str, peer: str) -> None:
        super().__init__(request)
        self._node = node
        self._sid = sid
        self._peer = peer

    def close_after(self) -> None:
        """That connection is the other server's affair."""

    def peer_gone(self) -> None:
        """The other server is gone, and the client's request with it."""
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.exchange_lost(self)


class RemotePoll(RemoteExchange):
    """A GET that waits at another server.

    Attributes:
        number: Among those of its session.
    """

    __slots__ = ("number",)

    owner: ExchangeOwner | None

    def __init__(self, request: Request, node: RelayNode, sid: str, peer: str) -> None:
        super().__init__(request, node, sid, peer)
        self.number: int = 0
        node.opened(peer, self)

    @property
    def peer(self) -> str:
        """Id of that server."""
        return self._peer

    def confirm(self, over: Callable[[bool], None]) -> None:
        """Ask whether it still waits there, or was answered.

        Args:
            over: Called once, with whether that is so; maybe within this call.
        """

        def answered(message: RelayMessage) -> None:
            over(message.data.get("success") is True)

        data = {"sid": self._sid, "n": self.number}
        self._node.ask(
            *(RelayType.CONFIRM, data, self._peer, answered),
            lambda: over(False),
            CONFIRM_TIMEOUT,
        )

    def forget(self) -> None:
        """Nobody waits there any more."""
        self.owner = None
        self._node.closed(self._peer, self)

    def drain(self, packets: list[Outgoing]) -> None:
        """Answer it with packets."""
        self.forget()
        data: dict[str, Any] = {"sid": self._sid, "packets": sent_down(packets)}
        if is_ours(self._peer):
            data["n"] = self.number
        self._node.send(RelayType.DRAIN, data, self._peer)

    def respond(self, status: int, headers: ResponseHeaders, body: bytes = b"") -> None:
        """Refuse it."""
        self.forget()
        self._node.send(RelayType.ENDED, {"sid": self._sid, "transport": "polling"}, self._peer)

    def abort(self) -> None:
        """It cannot be cut from here."""
        self.respond(400, ())


class _Waiting:
    """Has a GET until it is known whether the one before it is still there."""

    def __init__(self) -> None:
        self.is_over = False

    def body_received(self, exchange: HttpExchange, body: bytes) -> None:
        """A GET has none that matters."""

    def body_too_large(self, exchange: HttpExchange) -> None:
        """The front end answers."""
        self.is_over = True

    def exchange_lost(self, exchange: HttpExchange) -> None:
        """The client has gone."""
        self.is_over = True


class RemotePost(RemoteExchange):
    """A POST at another server of ours, whose packets have come together.

    Args:
        number: Of the question that it is.
    """

    __slots__ = ("_number",)

    def __init__(
        self, request: Request, node: RelayNode, sid: str, peer: str, number: int | None
    ) -> None:
        super().__init__(request, node, sid, peer)
        self._number = number

    def respond(self, status: int, headers: ResponseHeaders, body: bytes = b"") -> None:
        """Let the other server answer it."""
        data = {"sid": self._sid, "status": status}
        self._node.send(RelayType.POST_RESPONSE, data, self._peer, self._number)

    def abort(self) -> None:
        """It cannot be cut from here."""
        self.respond(400, ())


class _Strewn(HttpExchange):
    """Stands for POSTs that their server has answered already."""

    __slots__ = ()

    def respond(self, status: int, headers: ResponseHeaders, body: bytes = b"") -> None:
        """It is answered."""

    def close_after(self) -> None:
        """That connection is the other server's affair."""

    def abort(self) -> None:
        """It is over."""


class SharedPolling(PollingTransport):
    """Carries a session by HTTP requests that come here, or to other servers.

    All that holds for requests that come here holds for those, too: one GET and one POST at a time,
    packets in slices, and nothing taken while the session does not read.

    Attributes:
        grants: Ids of servers that were told that they may serve a request.
    """

    __slots__ = (
        "_asked",
        "_early",
        "_early_size",
        "_is_lost",
        "_is_settling",
        "_latest",
        "_polls",
        "grants",
    )

    def __init__(
        self, host: PollingHost, new_sid: SessionId | None, payloads: Payloads = REVISION_4
    ) -> None:
        super().__init__(host, new_sid, payloads)
        self.grants: dict[str, None] = {}
        self._early: deque[ReceivedPacket] | None = None  # an empty one takes 600 bytes
        self._early_size = 0
        self._polls = 0
        self._latest: RemotePoll | None = None
        self._is_settling = False
        self._is_lost = False
        self._asked: dict[tuple[str, int], None] = {}

    @property
    def has_poll(self) -> bool:
        """Whether a GET waits for its answer."""
        return self._poll is not None or self._compressing is not None

    # --- a balancer that sends a GET again --------------------------------------------------------
    #
    # A GET whose server dies may come once more, by another one. Then the first waits for nobody,
    # or its answer has gone with that server: a client that goes on behind it would have a hole.

    @property
    def is_unsure(self) -> bool:
        """Whether it has to be settled first what became of the latest GET."""
        return self._latest is not None and not self._is_settling

    def settle(self, then: Callable[[], None]) -> None:
        """Ask the server of the latest GET: whether it still waits, or was answered. One that is
        gone waits no longer; where the answer is gone, too, the session ends.

        Args:
            then: Called when that is known; maybe within this call.
        """
        poll = self._latest
        assert poll is not None  # `is_unsure` was asked
        self._is_settling = True

        def over(is_known: bool) -> None:
            self._is_settling = False
            if self._latest is poll and (self._poll is not poll or not is_known):
                self._latest = None
            if not is_known and self._poll is poll:
                self._poll = None
                self.is_writable = False
                poll.forget()
            elif not is_known and not self._is_lost:
                self._is_lost = True
                what = "an answer is lost with the server of its request"
                self._end(DisconnectReason.TRANSPORT_ERROR, what)
            then()

        poll.confirm(over)

    def delivered(self, peer: str, number: int) -> None:
        """The answer to a GET is with its server."""
        latest = self._latest
        if latest is not None and (latest.peer, latest.number) == (peer, number):
            self._latest = None

    def poll_received(self, exchange: HttpExchange) -> None:
        """A GET asks for packets, here or at another server."""
        if isinstance(exchange, RemotePoll):
            self._polls += 1
            exchange.number = self._polls
            if is_ours(exchange.peer):
                self._latest = exchange
        elif self.is_unsure:
            self._poll_later(exchange)
            return
        super().poll_received(exchange)

    def _poll_later(self, exchange: HttpExchange) -> None:
        exchange.owner = waiting = _Waiting()

        def go_on() -> None:
            if not waiting.is_over and self._is_lost:
                self._refuse(exchange, 400)
            elif not waiting.is_over:
                exchange.owner = None
                self._latest = None  # if it still waits, this is one too many
                self.poll_received(exchange)

        self.settle(go_on)

    def grant(self, peer: str) -> None:
        """A server may serve a request."""
        self.grants.pop(peer, None)
        self.grants[peer] = None
        if len(self.grants) > MAX_GRANTS:
            del self.grants[next(iter(self.grants))]

    def is_repeated(self, peer: str, number: int) -> bool:
        """Whether this question has come before: some carriers bring a message twice."""
        question = (peer, number)
        is_known = question in self._asked
        self._asked[question] = None
        if len(self._asked) > MAX_ASKED:
            del self._asked[next(iter(self._asked))]
        return is_known

    def remote_post(self, post: HttpExchange, packets: Iterator[ReceivedPacket]) -> None:
        """Take the packets of a POST; it is answered when all are handled."""
        self.post_received(post)
        if self._post is post:
            self._unread = None
            self._packets = packets
            self._handle_packets()

    def strewn(self, packet: ReceivedPacket, request: Request) -> None:
        """Take one packet of a POST that was answered already."""
        if self._early is None:
            self._early = deque()
        self._early.append(packet)
        self._early_size += size_of((packet,))
        if self._early_size > EARLY_SHARE * self._host.options.max_payload:
            self._end(DisconnectReason.TRANSPORT_ERROR, "more comes than is taken")
        elif not isinstance(self._post, _Strewn):  # else it comes to this one in its turn
            self.remote_post(_Strewn(request), self._early_packets(self._early))

    def _early_packets(self, early: deque[ReceivedPacket]) -> Iterator[ReceivedPacket]:
        while early:
            packet = early.popleft()
            self._early_size -= size_of((packet,))
            yield packet

    def release(self, peer: str) -> None:
        """Answer the GET that waits at a server."""
        if isinstance(self._poll, RemotePoll) and self._poll.peer == peer:
            self.write([b"6"])

    def remote_closed(self, reason: DisconnectReason) -> None:
        """A request at another server has broken off."""
        self._end(reason, "a request at another server has broken off")

    def write(self, packets: list[Outgoing]) -> None:
        """Answer the waiting GET with all packets, wherever that is."""
        poll = self._poll
        if not isinstance(poll, RemotePoll):
            super().write(packets)
            return
        self._poll = None
        self.is_writable = False
        is_last, self._is_last = self._is_last, False
        if is_last:
            packets = [*packets, b"1"]
        self._written += size_of(packets)
        poll.drain(packets)
        if is_last:
            self._end(DisconnectReason.TRANSPORT_CLOSE, "")

    def _respond(self, exchange: HttpExchange, headers: ResponseHeaders, body: bytes) -> None:
        """Answer a POST; those of other servers get their headers there."""
        if isinstance(exchange, (RemoteExchange, _Strewn)):
            exchange.owner = None
            exchange.respond(200, ())
        else:
            super()._respond(exchange, headers, body)
