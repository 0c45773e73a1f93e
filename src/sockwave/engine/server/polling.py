"""HTTP long-polling (protocol.md section 8): one GET waits for packets, one POST brings some."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final, Protocol

from sockwave.codec.engineio import BinaryMessage, ReceivedPacket
from sockwave.engine.core.rate import RateExceeded
from sockwave.engine.io.websocket import MESSAGE_SECONDS
from sockwave.engine.server.exchange import NO_SNIFF
from sockwave.engine.server.payloads import REVISION_4, Payloads, TooManyPackets, is_octets
from sockwave.engine.server.verification import ErrorCode, error_body
from sockwave.errors import PacketError
from sockwave.types import DisconnectReason, SessionId, TransportName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.transport import Outgoing, TransportReceiver
    from sockwave.engine.server.exchange import HttpExchange, ResponseHeaders

__all__ = ["PollingTransport"]

PACKETS_PER_TICK: Final = 256
"""Packets of one POST handled before others get their turn."""

PACKETS_PER_LOOK: Final = 16
"""Packets handled between two looks at the clock: handlers may take long."""

_NEVER_COMPRESSED: Final = (b"6", b"1")

_POST_HEADERS: Final = (("Content-Type", "text/html"),)


class PollingHost(Protocol):
    """What a polling transport needs of its engine."""

    options: EngineOptions
    edits_headers: bool
    """Whether `success_headers` has anything to do."""

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run in a later turn of the loop."""

    def turn_clock(self) -> float:
        """Monotonic seconds that go on during a turn of the loop."""

    def success_headers(
        self, headers: ResponseHeaders, request: Request, new_sid: SessionId | None
    ) -> ResponseHeaders:
        """Add CORS headers, and those of a handshake; let handlers of the application edit them."""

    def error_headers(self, request: Request) -> ResponseHeaders:
        """CORS headers only: an error answer is not for the application to edit."""


class PollingTransport:
    """Carries a session by HTTP requests; see `Transport` for the contract."""

    __slots__ = (
        "_closing",
        "_host",
        "_is_last",
        "_new_sid",
        "_packets",
        "_paused",
        "_payloads",
        "_poll",
        "_post",
        "is_writable",
        "receiver",
    )
    name: TransportName = "polling"

    receiver: TransportReceiver

    def __init__(
        self, host: PollingHost, new_sid: SessionId, payloads: Payloads = REVISION_4
    ) -> None:
        self.is_writable = False
        self._host = host
        self._payloads = payloads
        self._new_sid: SessionId | None = new_sid
        self._poll: HttpExchange | None = None
        self._post: HttpExchange | None = None
        self._packets: Iterator[ReceivedPacket] | None = None
        self._paused = False
        self._closing = False
        self._is_last = False

    # --- requests ---------------------------------------------------------------------------------

    def poll_received(self, exchange: HttpExchange) -> None:
        """A GET asks for packets."""
        if self._poll is not None:
            self._refuse(exchange, 400)
            self._end(DisconnectReason.TRANSPORT_ERROR, "overlap from client")
            return
        self._poll = exchange
        exchange.owner = self
        if self._closing:
            self.write([b"6", b"1"])
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
        """The listener has answered 413; the session stays, as in the reference."""
        if exchange is self._post:
            self._post = None

    def exchange_lost(self, exchange: HttpExchange) -> None:
        """The peer broke off a request: it cannot know what arrived, so the session ends."""
        if exchange is self._poll:
            self._poll = None
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
        end = None
        try:
            for handled in range(PACKETS_PER_TICK):
                if self._paused:
                    return
                if handled and not handled % PACKETS_PER_LOOK:
                    now = self._host.turn_clock()
                    if end is None:
                        end = now + MESSAGE_SECONDS
                    elif now >= end:
                        break
                packet = next(packets, None)
                if packet is None:
                    self._packets = None
                    self._answer_post()
                    return
                if isinstance(packet, BinaryMessage):
                    receiver.binary_received(packet.data)
                elif packet[0] == 0x31:  # close
                    self._packets = None
                    self._answer_post()
                    self.write([b"6"])
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
        self._host.call_soon(self._handle_packets)

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
        options = self._host.options.http_compression
        if (
            options is not None
            and len(payload) >= options.threshold
            and any(map(_may_be_compressed, packets))
            and (encoding := _accepted_encoding(poll.request)) is not None
        ):
            payload = _compressed(payload, encoding, options.level)
            headers = (*headers, ("Content-Encoding", encoding))
        self._respond(poll, headers, payload)
        if self._is_last:
            self._is_last = False
            self._end(DisconnectReason.TRANSPORT_CLOSE, "")

    def end_with_next_answer(self) -> None:
        """Let the next answer to a GET have the close packet behind what is queued.

        The client may have no other chance to hear it: the server stops, and takes no new
        connections.
        """
        self._is_last = True

    def buffered(self) -> int:
        """Nothing: what is not answered stays in the session's queue."""
        return 0

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
        """Leave the packets of a POST where they are; its answer waits, so no other comes."""
        self._paused = True

    def resume_reading(self) -> None:
        """Go on with them in the next turn."""
        if self._paused:
            self._paused = False
            self._host.call_soon(self._handle_packets)

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
            self._respond(post, _POST_HEADERS, b"ok")

    def _respond(self, exchange: HttpExchange, headers: ResponseHeaders, body: bytes) -> None:
        exchange.owner = None
        new_sid, self._new_sid = self._new_sid, None
        if self._host.edits_headers:
            headers = self._host.success_headers(headers, exchange.request, new_sid)
        exchange.respond(200, headers, body)

    def _refuse(self, exchange: HttpExchange, status: int) -> None:
        exchange.owner = None
        exchange.respond(status, self._host.error_headers(exchange.request))


def _may_be_compressed(packet: Outgoing) -> bool:
    return packet not in _NEVER_COMPRESSED if isinstance(packet, bytes) else packet.compress


def _accepted_encoding(request: Request) -> str | None:
    """The client's first choice of what we can do."""
    best: tuple[float, str] | None = None
    for part in request.headers.get("accept-encoding", "").split(","):
        name, _, parameters = part.partition(";")
        name = name.strip(" \t").lower()
        if name not in ("gzip", "deflate"):
            continue
        try:
            quality = float(parameters.strip(" \t").removeprefix("q=") or 1)
        except ValueError:
            continue
        if quality > 0 and (best is None or quality > best[0]):
            best = (quality, name)
    return best[1] if best else None


def _compressed(payload: bytes, encoding: str, level: int) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    return compressor.compress(payload) + compressor.flush()
