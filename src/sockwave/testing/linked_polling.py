"""A linked connection by HTTP long-polling: the client's end, and its exchanges with the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sockwave.codec.engineio import (
    BinaryMessage,
    ReceivedPacket,
    encode_base64_packet,
    encode_payload,
    iter_payload,
)
from sockwave.engine.server.exchange import HttpExchange, ResponseHeaders
from sockwave.testing.link import Link

if TYPE_CHECKING:
    from sockwave.engine.core.request import Request
    from sockwave.types import TransportName

__all__ = ["PollingLink"]


class PollingLink(Link):
    """One GET that waits, and at most one POST."""

    name: TransportName = "polling"
    _is_paused = False
    _poll: _LinkedExchange | None = None
    _post: _LinkedExchange | None = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._outbox: list[ReceivedPacket] = []

    def _begin(self) -> None:
        self._get()

    def _get(self) -> None:
        if self._poll is None and not self._is_paused and not self.has_ended:
            self._poll = _LinkedExchange(self.request("GET", self.sid), self)
            self.engine.handle_request(self._poll)

    def send(self, packets: list[ReceivedPacket]) -> None:
        self._outbox += packets
        self.call_soon(self._post_outbox)

    def _post_outbox(self) -> None:
        if self._post is not None or not self._outbox:
            return
        packets, self._outbox = self._outbox, []
        body = encode_payload(
            [encode_base64_packet(p.data) if isinstance(p, BinaryMessage) else p for p in packets]
        )
        self._post = post = _LinkedExchange(self.request("POST", self.sid), self)
        self.engine.handle_request(post)
        if post.owner is not None:
            post.owner.body_received(post, body)

    def close(self) -> None:
        if not self.has_ended and self.sid is not None:
            self._outbox.append(b"1")
            self._post_outbox()
        self.ended("io client disconnect")

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        self._get()

    def answered(self, exchange: _LinkedExchange, status: int, body: bytes) -> None:
        """A response has come."""
        if exchange is self._post:
            self._post = None
            if status == 200:
                self._post_outbox()
            else:
                self.ended("transport error")
            return
        self._poll = None
        if status != 200:
            if self.sid is None:
                self.refused(status, body)
            self.ended("transport error")
            return
        for packet in iter_payload(body):
            self.packet_received(packet)
        self._get()


class _LinkedExchange(HttpExchange):
    def __init__(self, request: Request, link: PollingLink) -> None:
        super().__init__(request)
        self._link = link

    def respond(self, status: int, headers: ResponseHeaders, body: bytes = b"") -> None:
        self._link.call_soon(self._link.answered, self, status, body)

    def close_after(self) -> None: ...

    def abort(self) -> None:
        self._link.call_soon(self._link.ended, "transport error")
