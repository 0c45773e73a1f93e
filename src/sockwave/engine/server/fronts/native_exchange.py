"""One HTTP exchange of the native front end: a request, its body as it comes, and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from sockwave.engine.server.exchange import HttpExchange, ResponseHeaders
from sockwave.engine.server.fronts.answers import CLOSE, encode_head

if TYPE_CHECKING:
    from sockwave.engine.core.request import Request
    from sockwave.engine.server.exchange import ExchangeOwner

__all__ = ["NativeExchange"]


_WITHOUT_LENGTH: Final = (204, 304)
"""Statuses whose answers have no body (RFC 9110 sections 15.3.5 and 15.4.5)."""


class Answering(Protocol):
    """The connection that an exchange belongs to, until one of the two is over."""

    def answered(self) -> None:
        """The exchange has its answer: write it when its turn comes."""

    def abort(self) -> None:
        """Cut the connection."""

    def unsent(self, position: int, *, by_machine: bool) -> int:
        """How many of the bytes written before a position are not taken yet."""


class NativeExchange(HttpExchange):
    """A request on a connection of ours.

    Attributes:
        answer: Its bytes, once there are any; empty when they were written.
        ends_at: Where it ends among all bytes written to its connection; 0 until it was written.
        body: What has come; None without one, but of a POST it is empty then (RFC 9112 section
            6.3), for somebody waits for it. Pieces are joined as they come: the objects of many
            tiny ones would take many times their bytes.
        is_complete: Whether the request is whole.
        end: Of its head.
    """

    __slots__ = ("_connection", "answer", "body", "end", "ends_at", "is_complete")

    def __init__(self, request: Request, connection: Answering, end: bytes, has_body: bool) -> None:
        self.request = request
        self.owner: ExchangeOwner | None = None
        self._connection: Answering | None = connection
        self.answer: bytes | None = None
        self.ends_at: int = 0
        self.end: bytes = end
        self.is_complete: bool = not has_body
        self.body: bytes | bytearray | None = None
        if has_body or request.method == "POST":
            self.body = b""

    def respond(self, status: int, headers: ResponseHeaders, body: bytes = b"") -> None:
        """Answer, in the order of the requests of this connection."""
        connection = self._connection
        if connection is None or self.answer is not None:
            return
        if not self.is_complete:  # what is left of the body is not worth reading
            self.end = CLOSE
        head = encode_head(status, headers)
        if status in _WITHOUT_LENGTH:
            self.answer = head + self.end
        else:
            sent = body if self.request.method != "HEAD" else b""
            self.answer = b"%bContent-Length: %d\r\n%b%b" % (head, len(body), self.end, sent)
        connection.answered()

    def close_after(self) -> None:
        """End the connection with the answer."""
        self.end = CLOSE

    def abort(self) -> None:
        """Cut the connection."""
        if self._connection is not None and self.answer is None:
            self._connection.abort()

    def unsent(self, *, by_machine: bool = False) -> int:
        """Bytes of the answer that this process still holds, or the machine too."""
        if self._connection is None or self.answer is None:
            return 0
        if self.answer:
            return len(self.answer)
        return self._connection.unsent(self.ends_at, by_machine=by_machine)

    def lose(self) -> None:
        """The connection has ended first."""
        self._connection = None
        if self.owner is not None:
            owner, self.owner = self.owner, None
            owner.exchange_lost(self)
