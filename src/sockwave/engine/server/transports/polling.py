"""HTTP long-polling (docs/protocol/polling.md): one GET waits for packets, one POST brings some.

Theory. At most one GET and one POST are open at a time; a second one of a kind breaks the protocol,
and ends the session. The two go their ways without each other.

The GET. `_poll` is the one that waits. While there is one the transport is writable; `write`
answers it with all packets at once, and then nothing can be written until the next one. So nothing
is ever buffered here: what has no GET to go with stays in the session's queue. Behind an answer
there may be `_compressing`, whose payload is being compressed in later turns, or `_answered`, whose
answer is so large that it may not have been taken yet: whoever asks again before that cannot have
seen it.

The POST. `_post` is the one whose body comes, or whose packets are handled. They are handled in
slices (`_packets` is the rest of them, `_unread` the next one if it was taken out already), and it
is answered when all are. That is how a client is held up: while the session does not read
(`_paused`) its messages stay where they are, the POST has no answer, and no other one comes.

The end has to be told with a GET, the only way to the client. Where none waits, `_closing` lets the
next one have it; `_is_last` lets the next answer have it behind what is queued.

What must never happen: a GET that is answered twice (it leaves `_poll` before it is answered); a
POST that overtakes the packets of the one before (its client has no answer until they are handled);
a client that waits at a GET whose session has ended (`_end` and `discard` free it).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Protocol

from sockwave.codec.engineio import BinaryMessage, ReceivedPacket
from sockwave.engine.core.rate import RateExceeded
from sockwave.engine.core.taking import PROMPT, Taken
from sockwave.engine.core.transport import SLICE
from sockwave.engine.io.turns import SMALL
from sockwave.engine.server.exchange import NO_SNIFF
from sockwave.engine.server.rules.verification import ErrorCode, error_body
from sockwave.engine.server.transports.compression import AT_ONCE, accepted_encoding, compressed
from sockwave.engine.server.transports.payloads import (
    REVISION_4,
    Payloads,
    TooManyPackets,
    is_octets,
)
from sockwave.errors import PacketError
from sockwave.types import DisconnectReason, SessionId, TransportName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sockwave.engine.core.options import EngineOptions, HttpCompression
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.transport import Outgoing, TransportReceiver
    from sockwave.engine.io.turns import Turns
    from sockwave.engine.server.exchange import HttpExchange, ResponseHeaders
    from sockwave.engine.server.transports.compression import Compressions

__all__ = ["POST_HEADERS", "PollingHost", "PollingTransport"]

PACKETS_PER_TICK: Final = 256
"""Packets of one POST handled before others get their turn."""

PACKETS_PER_LOOK: Final = 8
"""Packets handled between two looks at the clock: handlers may take long."""

_NEVER_COMPRESSED: Final = (b"6", b"1")

POST_HEADERS: Final = (("Content-Type", "text/html"), ("cache-control", "no-store"))
"""Of the answer to a POST whose packets were taken."""


class PollingHost(Protocol):
    """What a polling transport needs of its engine."""

    options: EngineOptions
    edits_headers: bool
    """Whether `success_headers` has anything to do."""

    @property
    def compressions(self) -> Compressions:
        """What compresses answers that take long."""

    @property
    def turns(self) -> Turns:
        """The time that is spent on what peers send."""

    def turn_clock(self) -> float:
        """Monotonic seconds that go on during a turn of the loop."""

    def success_headers(
        self, headers: ResponseHeaders, request: Request, new_sid: SessionId | None
    ) -> ResponseHeaders:
        """Add CORS headers, and those of a handshake; let handlers of the application edit them."""

    def error_headers(self, request: Request) -> ResponseHeaders:
        """CORS headers only: an error answer is not for the application to edit."""


class PollingTransport:
    """Carries a session by HTTP requests; see `Transport` for the contract.

    Args:
        new_sid: Of the session that begins with the first answer; None where it has begun.
        payloads: Forms of the bodies.
    """

    __slots__ = (
        "_answered",
        "_closing",
        "_compressing",
        "_host",
        "_is_last",
        "_new_sid",
        "_packets",
        "_paused",
        "_payloads",
        "_poll",
        "_post",
        "_unread",
        "_written",
        "is_writable",
        "receiver",
    )
    name: TransportName = "polling"
    direct = None

    receiver: TransportReceiver

    def __init__(
        self, host: PollingHost, new_sid: SessionId | None, payloads: Payloads = REVISION_4
    ) -> None:
        self.is_writable: bool = False
        self._host = host
        self._payloads = payloads
        self._new_sid: SessionId | None = new_sid
        self._poll: HttpExchange | None = None
        self._answered: HttpExchange | None = None
        self._compressing: HttpExchange | None = None
        self._written = 0
        self._post: HttpExchange | None = None
        self._packets: Iterator[ReceivedPacket] | None = None
        self._unread: ReceivedPacket | None = None
        self._paused = False
        self._closing = False
        self._is_last = False

    # --- requests ---------------------------------------------------------------------------------

    def poll_received(self, exchange: HttpExchange) -> None:
        """A GET asks for packets."""
        if (
            self._poll is not None
            or self._compressing is not None
            or (self._answered is not None and self._answered.unsent())
        ):
            # Whoever has not taken one answer cannot have seen it, and be due for the next.
            self._refuse(exchange, 400)
            self._end(DisconnectReason.TRANSPORT_ERROR, "overlap from client")
            return
        self._answered = None
        self._poll = exchange
        exchange.owner = self
        if self._closing:
            self.write([b"6", b"1"])  # docs/protocol/polling.md#the-end
            self._end(DisconnectReason.TRANSPORT_CLOSE, "")
            return
        self.is_writable = True
        self.receiver.transport_writable(self)

    def post_received(self, exchange: HttpExchange) -> None:
        """A POST begins; its body comes to `body_received`."""
        if self._post is not None:
            self._refuse(exchange, 400)
            self._end(DisconnectReason.TRANSPORT_ERROR, "data request overlap from client")
            return
        if is_octets(exchange.request) and not self._payloads.takes_octets:
            self._refuse(exchange, 400)
            self._end(DisconnectReason.TRANSPORT_ERROR, "invalid content")
            return
        self._post = exchange
        exchange.owner = self

    def body_received(self, exchange: HttpExchange, body: bytes) -> None:
        """Take the packets of a POST, in slices; it is answered when all are handled."""
        if exchange is not self._post:
            return
        limit = self._host.options.limits.packets_per_post
        try:
            self._unread = None
            self._packets = self._payloads.decode(body, exchange.request, limit)
        except TooManyPackets as error:
            self._refuse_packets(error)
            return
        self._handle_packets()

    def _refuse_packets(self, error: TooManyPackets) -> None:
        post, self._post = self._post, None
        self._packets = None
        if post is not None:
            self._refuse(post, 413)
        self._end(DisconnectReason.TRANSPORT_ERROR, str(error))

    def _refuse_rate(self) -> None:
        """The session has ended for what this POST brought."""
        post, self._post = self._post, None
        self._packets = None
        if post is not None:
            post.owner = None
            headers = [("Content-Type", "application/json"), *NO_SNIFF]
            headers += self._host.error_headers(post.request)
            post.respond(429, headers, error_body(ErrorCode.RATE_LIMIT_EXCEEDED))
        self.write([b"1"])

    def body_too_large(self, exchange: HttpExchange) -> None:
        """The front end answers 413. What the client sent is lost, so the session ends."""
        if exchange is self._post:
            self._post = None
            self.payload_too_large()

    def payload_too_large(self) -> None:
        """A POST was refused for its size."""
        self._end(DisconnectReason.TRANSPORT_ERROR, "payload too large")

    def exchange_lost(self, exchange: HttpExchange) -> None:
        """The peer broke off a request: it cannot know what arrived, so the session ends."""
        if exchange is self._poll or exchange is self._compressing:
            self._poll = self._compressing = None
            self.is_writable = False
            self._end(DisconnectReason.TRANSPORT_ERROR, "poll connection closed prematurely")
        elif exchange is self._post:
            self._post = None
            description = "data request connection closed prematurely"
            self._end(DisconnectReason.TRANSPORT_ERROR, description)

    def _handle_packets(self) -> None:
        packets = self._packets
        if packets is None:
            return
        receiver = self.receiver
        turns = self._host.turns
        look = 0
        end = None
        try:
            for handled in range(PACKETS_PER_TICK):
                packet, self._unread = self._unread or next(packets, None), None
                if packet is None:
                    self._packets = None
                    self._answer_post()
                    return
                if handled:
                    look = look or (1 if turns.is_crowded else PACKETS_PER_LOOK)
                    if not handled % look:
                        now = self._host.turn_clock()
                        if end is None:
                            end = turns.slice_ends(now)
                        elif now >= end:
                            self._unread = packet
                            break
                if self._paused and _is_message(packet):
                    self._unread = packet
                    return
                if isinstance(packet, BinaryMessage):
                    receiver.binary_received(packet.data)
                elif packet[0] == 0x31:  # close
                    self._packets = None
                    self._answer_post()
                    self.write([b"6"])  # frees its GET; the end is its own wish
                    self._end(DisconnectReason.TRANSPORT_CLOSE, "")
                    return
                else:
                    receiver.text_received(packet)
        except TooManyPackets as error:
            self._refuse_packets(error)
            return
        except PacketError as error:
            self._packets = None
            self._answer_post()
            self._end(DisconnectReason.PARSE_ERROR, str(error))
            return
        except RateExceeded:
            self._refuse_rate()
            return
        turns.credit = 0  # whoever comes next looks at the clock
        turns.later(self._handle_packets, SMALL + 1)

    # --- the contract of a transport --------------------------------------------------------------

    def write(self, packets: list[Outgoing]) -> None:
        """Answer the waiting GET with all packets; nothing happens when there is none."""
        poll, self._poll = self._poll, None
        self.is_writable = False
        if poll is None:
            return
        if self._is_last:
            packets = [*packets, b"1"]
            poll.close_after()
        headers, payload = self._payloads.encode(packets)
        size = len(payload)
        self._written += size
        if size > PROMPT:  # others are out before anybody asks
            self._answered = poll
        compression = self._host.options.http_compression
        if (
            compression is None
            or size < compression.threshold
            or (encoding := self._encoding(poll.request, packets, size, compression)) is None
        ):
            self._respond(poll, headers, payload)
        else:
            self._compress(poll, headers, payload, encoding, compression.level)
        if self._is_last:
            self._is_last = False
            self._end(DisconnectReason.TRANSPORT_CLOSE, "")

    def _encoding(
        self, request: Request, packets: list[Outgoing], size: int, options: HttpCompression
    ) -> str | None:
        """How an answer over the threshold is to be compressed, if at all."""
        if (
            size > options.limit
            or not any(map(_may_be_compressed, packets))
            or (size > AT_ONCE and (self._is_last or not self._host.compressions.may_take(size)))
        ):
            return None
        return accepted_encoding(request)

    def _compress(
        self,
        poll: HttpExchange,
        headers: ResponseHeaders,
        payload: bytes,
        encoding: str,
        level: int,
    ) -> None:
        """Answer when the payload is compressed: at once if it is small."""
        headers = (*headers, ("Content-Encoding", encoding))
        if len(payload) <= AT_ONCE:
            self._host.turns.must_look = True
            self._respond(poll, headers, compressed(payload, encoding, level))
            return
        self._compressing = poll

        def done(result: bytes) -> None:
            if self._compressing is poll:
                self._compressing = None
                self._respond(poll, headers, result)

        self._host.compressions.add(payload, encoding, level, done)

    def end_with_next_answer(self) -> None:
        """Let the next answer to a GET have the close packet behind what is queued.

        The client may have no other chance to hear it: the server stops, and takes no new
        connections.
        """
        self._is_last = True

    def buffered(self) -> int:
        """Nothing: what is not answered stays in the session's queue."""
        return 0

    @property
    def slice(self) -> int:
        """Bytes of one answer, which a client may take long to read: the rest has the next one."""
        return sys.maxsize if self._is_last else SLICE

    def progress(self) -> Taken:
        """How far the client is with the last answer."""
        answered = self._answered
        waiting = answered.unsent(by_machine=True) if answered is not None else 0
        return Taken(self._written - waiting, waiting)

    def close(self) -> None:
        """Tell the client with its waiting GET, or its next one."""
        if self._poll is not None:
            self.write([] if self._is_last else [b"1"])
            self._end(DisconnectReason.TRANSPORT_CLOSE, "")
        else:
            self._closing = True

    def discard(self) -> None:
        """Free what is waiting, at once."""
        self.write([b"1"])
        self._abort_post()

    def pause_reading(self) -> None:
        """Leave the messages of a POST where they are; its answer waits, so no other comes.

        Heartbeats before them are taken: many clients poll again only when they are answered.
        """
        self._paused = True

    def resume_reading(self) -> None:
        """Go on with them in one of the next turns."""
        if self._paused:
            self._paused = False
            self._host.turns.later(self._handle_packets, SMALL + 1)

    # --- answers ----------------------------------------------------------------------------------

    def _end(self, reason: DisconnectReason, description: str) -> None:
        self.receiver.transport_closed(self, reason, description)
        self.write([b"1"])
        self._abort_post()

    def _abort_post(self) -> None:
        """End a POST: cut it off, unless it is whole and only waits for its answer."""
        if self._packets is not None:
            self._packets = None
            self._answer_post()
        elif self._post is not None:
            post, self._post = self._post, None
            post.owner = None
            post.abort()

    def _answer_post(self) -> None:
        post, self._post = self._post, None
        if post is not None:
            self._respond(post, POST_HEADERS, b"ok")

    def _respond(self, exchange: HttpExchange, headers: ResponseHeaders, body: bytes) -> None:
        exchange.owner = None
        new_sid, self._new_sid = self._new_sid, None
        if self._host.edits_headers:
            headers = self._host.success_headers(headers, exchange.request, new_sid)
        exchange.respond(200, headers, body)

    def _refuse(self, exchange: HttpExchange, status: int) -> None:
        exchange.owner = None
        exchange.respond(status, self._host.error_headers(exchange.request))


def _is_message(packet: ReceivedPacket) -> bool:
    return isinstance(packet, BinaryMessage) or packet[:1] == b"4"


def _may_be_compressed(packet: Outgoing) -> bool:
    return packet not in _NEVER_COMPRESSED if isinstance(packet, bytes) else packet.compress
