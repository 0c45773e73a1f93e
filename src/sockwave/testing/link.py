"""A connection without a network: packets of a client's end, to and from the engine of a server."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from urllib.parse import quote, urlencode

import orjson

from sockwave.codec.engineio import BinaryMessage, ReceivedPacket, decode_base64_packet
from sockwave.codec.socketio import Packet, Reassembler, decode_packet
from sockwave.engine.core.request import SAFE_IN_PATH, Request
from sockwave.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sockwave.engine.server.engine import EngineServer
    from sockwave.types import NamespaceName, TransportName

__all__ = ["Link", "LinkOwner", "Receiver"]

_MAX_BYTES: Final = 2**40


class LinkOwner(Protocol):
    """Whose connection it is."""

    answers_pings: bool


class Receiver(NamedTuple):
    """Whom a link calls for one namespace.

    Attributes:
        packet_received: Takes its packets.
        left: Hears why the connection is over.
    """

    packet_received: Callable[[Packet], None]
    left: Callable[[str], None]


class Link(ABC):
    """One connection, shared by the clients of its namespaces.

    Attributes:
        receivers: By namespace.
        has_ended: Whether it is over.
        sid: Of the session; None before the handshake.
    """

    name: TransportName

    def __init__(
        self,
        engine: EngineServer,
        owner: LinkOwner,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        address: tuple[str, int] | None,
    ) -> None:
        self.engine = engine
        self.receivers: dict[NamespaceName, Receiver] = {}
        self.has_ended: bool = False
        self.sid: str | None = None
        self._owner = owner
        self._query = dict(query)
        self._headers = {
            name.lower().encode("latin-1"): value.encode("latin-1")
            for name, value in headers.items()
        }
        self._address = address
        self._reassembler = Reassembler(max_bytes=_MAX_BYTES)
        self._opened: asyncio.Future[None] | None = None

    async def open(self) -> None:
        """Shake hands, once."""
        if self._opened is None:
            self._opened = asyncio.get_running_loop().create_future()
            self._begin()
        await asyncio.shield(self._opened)

    @abstractmethod
    def _begin(self) -> None:
        """Send the first request."""

    @abstractmethod
    def send(self, packets: list[ReceivedPacket]) -> None:
        """Send packets to the server."""

    @abstractmethod
    def close(self) -> None:
        """End the connection from this side."""

    @abstractmethod
    def pause(self) -> None:
        """Read nothing."""

    @abstractmethod
    def resume(self) -> None:
        """Read again."""

    def call_soon(self, callback: Callable[..., object], *args: Any) -> None:
        """A hop of the network."""
        asyncio.get_running_loop().call_soon(callback, *args)

    def request(self, method: str, sid: str | None = None) -> Request:
        """Make a request to the engine."""
        query = {"EIO": "4", "transport": self.name, **self._query}
        if sid is not None:
            query["sid"] = sid
        return Request(
            method,
            f"{quote(self.engine.options.prefix, safe=SAFE_IN_PATH)}?{urlencode(query)}",
            dict(self._headers),
            self._address,
            trusted_proxies=self.engine.trusted_proxies,
        )

    def packet_received(self, packet: ReceivedPacket) -> None:
        """Take a packet of the server's."""
        if isinstance(packet, BinaryMessage):
            whole = self._reassembler.add(packet.data)
            if whole is not None:
                self._route(whole)
            return
        match packet[:1]:
            case b"0":
                self.sid = orjson.loads(packet[1:])["sid"]
                if self._opened is not None and not self._opened.done():
                    self._opened.set_result(None)
            case b"1":
                self.ended("transport close")
            case b"b":  # to a client that asked for base64
                self.packet_received(BinaryMessage(decode_base64_packet(packet)))
            case b"2" if self._owner.answers_pings:
                self.send([b"3"])
            case b"4":
                decoded = decode_packet(packet, max_attachments=2**31)
                if decoded.attachments:
                    self._reassembler.begin(decoded)
                else:
                    self._route(decoded)
            case _:
                pass  # a noop

    def _route(self, packet: Packet) -> None:
        receiver = self.receivers.get(packet.namespace)
        if receiver is not None:
            receiver.packet_received(packet)

    def refused(self, status: int, body: bytes) -> None:
        """The server does not want this connection."""
        self.has_ended = True
        if self._opened is not None and not self._opened.done():
            text = body.decode(errors="replace")
            self._opened.set_exception(TransportError(f"{status} {text}".strip()))

    def ended(self, reason: str) -> None:
        """The connection is over."""
        if self.has_ended:
            return
        self.has_ended = True
        for receiver in list(self.receivers.values()):
            receiver.left(reason)
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(TransportError(reason))
