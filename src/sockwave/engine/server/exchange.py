"""What a front end gives the engine: one HTTP exchange, or one request to become a WebSocket.

The native listener and the ASGI application subclass these; the engine never sees which it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from sockwave.engine.core.option_checks import check_header_value, check_integer, check_token

if TYPE_CHECKING:
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.transport import Transport, TransportReceiver
    from sockwave.engine.io.webtransport import CarriedSession

__all__ = [
    "NO_SNIFF",
    "PLAIN",
    "ExchangeOwner",
    "HttpExchange",
    "Response",
    "ResponseHeaders",
    "UpgradeExchange",
    "WebTransportExchange",
]

ResponseHeaders: TypeAlias = Sequence[tuple[str, str]]
"""Names and values; a tuple stands for constant headers, which may be encoded once for ever."""

NO_SNIFF: Final = (("X-Content-Type-Options", "nosniff"),)
"""On every answer whose body a browser might take for a page."""

PLAIN: Final = (("Content-Type", "text/plain; charset=UTF-8"), *NO_SNIFF)
"""Of a body that says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer that a middleware of the engine gives itself.

    Attributes:
        status: HTTP status.
        headers: Names and values; the length is added, and so are CORS headers.
        body: Its bytes.
    """

    status: int = 200
    headers: ResponseHeaders = ()
    body: bytes = b""

    def __post_init__(self) -> None:
        check_integer("status", self.status, 200, 599)
        for name, value in self.headers:
            check_token("name of a header", name)
            check_header_value(f"header {name}", value)
        if not isinstance(self.body, bytes):
            raise TypeError(f"the body must be bytes, not {type(self.body).__name__}")


class ExchangeOwner(Protocol):
    """Who waits for the body of a request, or for a moment to answer it."""

    def body_received(self, exchange: HttpExchange, body: bytes) -> None:
        """The whole body is there."""

    def body_too_large(self, exchange: HttpExchange) -> None:
        """The body passed `max_payload`; the front end answers 413."""

    def exchange_lost(self, exchange: HttpExchange) -> None:
        """The peer went away, or was too slow, before the exchange was done."""


class HttpExchange(ABC):
    """One request and its answer to come.

    Attributes:
        request: What was asked.
        owner: Set by the engine when it does not answer at once.
    """

    __slots__ = ("owner", "request")

    def __init__(self, request: Request) -> None:
        self.request: Request = request
        self.owner: ExchangeOwner | None = None

    @abstractmethod
    def respond(self, status: int, headers: ResponseHeaders, body: bytes = b"") -> None:
        """Answer; `Content-Length` is added here. Nothing happens if the peer has gone."""

    @abstractmethod
    def close_after(self) -> None:
        """End the connection with the answer that is to come."""

    @abstractmethod
    def abort(self) -> None:
        """Cut the connection without an answer."""

    def unsent(self, *, by_machine: bool = False) -> int:
        """Bytes of the answer that this process still holds.

        Args:
            by_machine: With those that the machine holds, where that is known.
        """
        return 0


class UpgradeExchange(ABC):
    """One request to become a WebSocket."""

    __slots__ = ("request",)

    def __init__(self, request: Request) -> None:
        self.request: Request = request

    @abstractmethod
    def accept(
        self, receiver: TransportReceiver, headers: ResponseHeaders, first: bytes | None = None
    ) -> Transport | None:
        """Answer 101; None when the peer has gone meanwhile.

        Args:
            first: A text packet that follows at once.
        """

    @abstractmethod
    def reject(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        """Answer without upgrading, and close."""


class WebTransportExchange(UpgradeExchange):
    """One request to begin a WebTransport session, and what is told to it before it carries one of
    ours: only its first packet says which.

    The query of its request names revision and transport, as those of all others do, though clients
    send none.

    Attributes:
        admits_http: Whether the server's own pages may have come by plain HTTP.
    """

    __slots__ = ("admits_http",)

    def __init__(self, request: Request, *, admits_http: bool) -> None:
        super().__init__(request)
        self.admits_http: bool = admits_http

    @abstractmethod
    def accept(
        self, receiver: TransportReceiver, headers: ResponseHeaders, first: bytes | None = None
    ) -> Transport | None:
        """Answer 200; None when the peer has gone meanwhile."""

    @abstractmethod
    def reject(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        """Answer with this status; after `accept` end the session, with the body as its words."""

    @abstractmethod
    def hand_over(self, take: Callable[[CarriedSession, bytes], bool], packet: bytes) -> None:
        """Give the session to another process, since its client wants to move to one there.

        Args:
            take: Is given the session and what has come on its stream, and tells whether it has
                taken it; else nothing has happened.
            packet: The first one of the client, which says so; what is behind it is not read.
        """
