"""What is fuzzed: functions that take any bytes and raise only where the product has a bug.

A decoder gives a value or raises the error that it declares; a value that it gives can be encoded
and is decoded to the same again; the same bytes in other segments give the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, Self

from fuzz import corpus
from sockwave.adapters.interest import PeerInterest
from sockwave.adapters.messages import (
    decode_message,
    decode_options,
    encode_message,
    event_of,
    request_of,
)
from sockwave.codec import engineio_v3
from sockwave.codec.deflate import Deflate, PerMessageDeflate, agree, negotiate
from sockwave.codec.engineio import (
    MAX_INTERVAL,
    BinaryMessage,
    decode_handshake,
    encode_base64_packet,
    encode_handshake,
    encode_payload,
    iter_payload,
)
from sockwave.codec.json import decode_json, encode_json
from sockwave.codec.message_reader import MessageReader
from sockwave.codec.msgpack import decode_msgpack_packet, encode_msgpack_packet
from sockwave.codec.notepack import decode_notepack
from sockwave.codec.socketio import (
    DEFAULT_MAX_ATTACHMENTS,
    Packet,
    Reassembler,
    decode_packet,
    encode_packet,
)
from sockwave.engine.client.cookies import MAX_COOKIES, CookieJar
from sockwave.engine.core.forwarded import TrustedProxies
from sockwave.engine.core.options import Cors, Limits
from sockwave.engine.core.request import Headers, Request, parse_cookies, parse_query
from sockwave.engine.server.fronts.http1 import RequestReader
from sockwave.engine.server.invalid_request import InvalidRequest
from sockwave.engine.server.rules.cors import (
    cors_headers,
    is_origin_allowed,
    is_referer_allowed,
    preflight_headers,
)
from sockwave.errors import PacketError, TextEncodingError, WebSocketError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["TARGETS", "Target"]

MAX_MESSAGE: Final = 4096
_MAX_PIECES: Final = 64


@dataclass(frozen=True, kw_only=True)
class Target:
    """One thing to fuzz.

    Attributes:
        make: Gives the function that takes an input; whole connections need a server first.
        corpus: Valid inputs.
        is_codec: Whether it is a decoder, or a connection with all that lies behind it.
    """

    make: Callable[[], Callable[[bytes], None]]
    corpus: Sequence[bytes]
    is_codec: bool = True


def pieces(data: bytes) -> list[bytes]:
    """Some way to cut the input, which depends on it."""
    size = max(1 + sum(data[:4]) % 61, len(data) // _MAX_PIECES)
    return [data[at : at + size] for at in range(0, len(data), size)]


# --- Engine.IO ------------------------------------------------------------------------------------


def engineio(data: bytes) -> None:
    """Polling payloads of revision 4."""
    try:
        packets = list(iter_payload(data))
    except PacketError:
        return
    again = [encode_base64_packet(p.data) if isinstance(p, BinaryMessage) else p for p in packets]
    assert list(iter_payload(encode_payload(again))) == packets


def engineio_v3_text(data: bytes) -> None:
    """Polling payloads of revision 3, the text form."""
    try:
        packets = list(engineio_v3.iter_text_payload(data))
    except PacketError:
        return
    again = engineio_v3.encode_text_payload(
        engineio_v3.encode_base64_packet(p.data) if isinstance(p, BinaryMessage) else p
        for p in packets
    )
    assert list(engineio_v3.iter_text_payload(again)) == packets


def engineio_v3_binary(data: bytes) -> None:
    """Polling payloads of revision 3, the binary form."""
    try:
        packets = list(engineio_v3.iter_binary_payload(data))
    except PacketError:
        return
    again = engineio_v3.encode_binary_payload(packets)
    assert list(engineio_v3.iter_binary_payload(again)) == packets


def engineio_v3_packet(data: bytes) -> None:
    """Binary messages of revision 3 on a WebSocket, as bytes and as text."""
    engineio_v3.decode_binary_packet(data)
    try:
        engineio_v3.decode_base64_packet(data)
    except PacketError:
        pass


def handshake(data: bytes) -> None:
    """The OPEN packet of a server."""
    try:
        told = decode_handshake(data)
    except PacketError:
        return
    assert 0 <= told.ping_interval <= MAX_INTERVAL and 0 <= told.ping_timeout <= MAX_INTERVAL
    assert told.sid and told.max_payload >= 0
    again = decode_handshake(encode_handshake(told))
    assert again.sid == told.sid and again.upgrades == told.upgrades


# --- Socket.IO ------------------------------------------------------------------------------------


def json(data: bytes) -> None:
    """Values of any kind."""
    try:
        value = decode_json(data)
    except PacketError:
        return
    text, attachments = encode_json(value)
    assert not attachments
    assert decode_json(text) == value
    assert encode_json(decode_json(text))[0] == text


def reassemble(text: bytes, attachments: Sequence[bytes] = ()) -> Packet:
    """Decode a packet and give it its attachments, or some."""
    packet = decode_packet(text)
    if not packet.attachments:
        return packet
    reassembler = Reassembler(max_bytes=1000)
    reassembler.begin(packet)
    for number in range(packet.attachments):
        assert reassembler.is_waiting
        whole = reassembler.add(attachments[number] if attachments else b"%d" % number)
    assert whole is not None and not reassembler.is_waiting
    return whole


def socketio(data: bytes) -> None:
    """Packets as text, with their attachments."""
    try:
        packet = reassemble(data)
    except PacketError:
        return
    text, attachments = encode_packet(packet)
    if len(attachments) <= DEFAULT_MAX_ATTACHMENTS:
        assert reassemble(text, attachments) == packet


def msgpack(data: bytes) -> None:
    """Packets in msgpack."""
    try:
        packet = decode_msgpack_packet(data)
    except PacketError:
        return
    again = encode_msgpack_packet(packet)
    assert encode_msgpack_packet(decode_msgpack_packet(again)) == again


def notepack(data: bytes) -> None:
    """Messages with JavaScript's `undefined`, which are read in a way of their own."""
    try:
        decode_notepack(data)
    except PacketError:
        pass


def cluster(data: bytes) -> None:
    """Messages of other processes, and what is read from each."""
    try:
        message = decode_message(data)
    except PacketError:
        return
    decode_message(encode_message(message))
    for read in (decode_options, event_of, request_of, PeerInterest().told):
        try:
            read(message.data)
        except PacketError:
            pass


# --- WebSocket ------------------------------------------------------------------------------------


class Recorder:
    """Keeps the messages of a reader and checks what it promises about each."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []

    @property
    def receiver(self) -> Self:
        """Of messages."""
        return self

    def text_received(self, data: bytes) -> None:
        """As the layers above do, which read the text."""
        assert len(data) <= MAX_MESSAGE
        try:
            data.decode()
        except UnicodeDecodeError:
            raise TextEncodingError("invalid UTF-8") from None
        self.messages.append(("text", data))

    def binary_received(self, data: bytes) -> None:
        """Anything."""
        assert len(data) <= MAX_MESSAGE
        self.messages.append(("binary", data))

    def ping_received(self, data: bytes) -> None:
        """A control frame."""
        assert len(data) <= 125
        self.messages.append(("ping", data))

    def pong_received(self, data: bytes) -> None:
        """A control frame."""
        assert len(data) <= 125
        self.messages.append(("pong", data))

    def close_received(self, code: int, reason: str) -> None:
        """The end."""
        assert 1000 <= code <= 4999 and len(reason.encode()) <= 123
        self.messages.append(("close", b"%d" % code))


def read(
    segments: Sequence[bytes], *, is_server: bool, is_compressed: bool
) -> tuple[list[tuple[str, bytes]], int]:
    """Feed segments; return the messages and the close code of the failure."""
    handler = Recorder()
    deflate = PerMessageDeflate(Deflate()) if is_compressed else None
    reader = MessageReader(handler, is_server=is_server, max_message=MAX_MESSAGE, deflate=deflate)
    try:
        for segment in segments:
            more = reader.feed(segment, 3)
            while more:
                more = reader.feed(b"", 3)
    except WebSocketError as error:
        return handler.messages, error.code
    except TextEncodingError:
        return handler.messages, 1007
    return handler.messages, 0


def websocket(data: bytes, *, is_server: bool, is_compressed: bool) -> None:
    """Frames."""
    feed = partial(read, is_server=is_server, is_compressed=is_compressed)
    whole, split = feed([data]), feed(pieces(data))
    if whole == split:
        return
    # A frame that is not whole may fail for its text before what it announces behind is seen.
    assert split[1] == 1007 and split[0] == whole[0][: len(split[0])], f"{whole}, split {split}"


def deflate(data: bytes) -> None:
    """Compressed messages, one behind the other."""
    reader = PerMessageDeflate(Deflate())
    writer = PerMessageDeflate(Deflate())
    other = PerMessageDeflate(Deflate())
    for piece in pieces(data)[:4]:
        try:
            message = reader.decompress(piece, MAX_MESSAGE)
        except WebSocketError as error:
            assert error.code in (1007, 1009)
            return
        assert len(message) <= MAX_MESSAGE
        assert other.decompress(writer.compress(message), MAX_MESSAGE) == message


def negotiation(data: bytes) -> None:
    """`Sec-WebSocket-Extensions`, to a server and to a client."""
    header = data.decode("latin-1")
    answer = negotiate(header, Deflate())
    if answer is not None:
        assert answer[0].startswith("permessage-deflate") and answer[0].isascii()
        assert answer[1].compress(b"x")
    try:
        agreed = agree(header, Deflate())
    except WebSocketError as error:
        assert error.code == 1010
    else:
        assert agreed is None or agreed.compress(b"x")


# --- HTTP -----------------------------------------------------------------------------------------

_LIMITS: Final = Limits(head_bytes=1024, head_count=20, target_bytes=256)


class Requests:
    """Keeps what a reader tells of requests."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def head_received(self, request: Request, length: int | None) -> None:
        """A request begins."""
        fields = {name: request.headers[name] for name in request.headers}
        assert request.target.startswith("/") and len(request.target) <= _LIMITS.target_bytes
        self.told.append([request.method, request.target, fields, length, b""])

    def body_received(self, data: bytes) -> None:
        """A piece of its body."""
        self.told[-1][4] += data

    def request_completed(self) -> None:
        """It is whole."""
        self.told.append("whole")


def read_requests(segments: Sequence[bytes]) -> list[Any]:
    """Feed segments, of several heads in one each by itself as the listener does."""
    handler = Requests()
    reader = RequestReader(handler, _LIMITS)
    try:
        for segment in segments:
            rest = segment
            while rest:
                end = rest.find(b"\r\n\r\n")
                has_more = end >= 0 and rest.find(b"\r\n\r\n", end + 4) >= 0
                part = rest[: end + 4] if has_more else rest
                rest = rest[len(part) :]
                if reader.feed(part) is not None:
                    handler.told.append("upgrade")
                    return handler.told
    except InvalidRequest as invalid:
        assert invalid.status in (400, 413, 414, 415, 431, 505)
        handler.told.append("invalid")
    finally:
        reader.close()
    return handler.told


def http(data: bytes) -> None:
    """Requests."""
    whole, split = read_requests([data]), read_requests(pieces(data))
    assert whole == split, f"{whole}, split {split}"


def query(data: bytes) -> None:
    """Query strings and targets."""
    text = data.decode("latin-1")
    found = parse_query(text)
    assert "" not in found and len(found) <= text.count("&") + 1
    for value in found.values():
        value.encode()  # `%` stands for bytes that may be no text, which must not get further
    request = Request("GET", f"/?{text}", {}, None)
    assert request.query == found and request.path == "/"


def cookies(data: bytes) -> None:
    """`Cookie`, in a header block that is packed and unpacked."""
    found = parse_cookies(data.decode("latin-1"))
    assert len(found) <= data.count(b";") + 1
    fields = {b"cookie": data, b"x": b"y"}
    headers = Headers(dict(fields))
    headers.pack()
    assert headers["Cookie"].encode("latin-1") == data and headers["x"] == "y" and len(headers) == 2


def origin(data: bytes) -> None:
    """`Origin`, `Host`, `Referer` and the headers of a preflight."""
    first, _, second = data.partition(b"\n")
    fields = {b"origin": first, b"host": second, b"access-control-request-headers": first}
    request = Request("OPTIONS", "/", fields, None)
    is_origin_allowed(None, request)
    cors = Cors(origin=["https://a.example"], credentials=True)
    allowed = is_origin_allowed(cors, request)
    assert allowed == (first == b"https://a.example")
    is_referer_allowed(cors, first.decode("latin-1"))
    names = [name for name, _ in preflight_headers(cors, request) + cors_headers(cors, request)]
    assert allowed or "Access-Control-Allow-Origin" not in names


_PROXIES: Final = TrustedProxies(["192.0.2.1", "10.0.0.0/8", "2001:db8::/32"])
_PEER: Final = ("192.0.2.1", 5_000)


def forwarded(data: bytes) -> None:
    """`X-Forwarded-For` and `X-Forwarded-Proto`, of a proxy that is trusted and of another."""
    hops, _, scheme = data.partition(b"\n")
    fields = {b"x-forwarded-for": hops, b"x-forwarded-proto": scheme}
    request = Request("GET", "/", fields, _PEER, trusted_proxies=_PROXIES)
    client = request.client
    assert client is not None and (client == _PEER or client[1] == 0)
    ip_address(client[0])
    other = Request("GET", "/", fields, ("203.0.113.9", 5_000), trusted_proxies=_PROXIES)
    assert other.client == ("203.0.113.9", 5_000) and not other.is_secure


def set_cookie(data: bytes) -> None:
    """`Set-Cookie` of a server, a line each."""
    jar = CookieJar()
    text = data.decode("latin-1")
    jar.store(text.split("\n"), 1e9)
    header = jar.header("own=1", 1e9)
    assert header.count("; ") <= MAX_COOKIES + text.count("; ")
    jar.header("", 1e12)


# --- all ------------------------------------------------------------------------------------------


def _function(check: Callable[[bytes], None], inputs: Sequence[bytes]) -> Target:
    return Target(make=lambda: check, corpus=inputs)


def _listener() -> Callable[[bytes], None]:
    from fuzz.listener import ListenerTarget

    return ListenerTarget()


def _client() -> Callable[[bytes], None]:
    from fuzz.client import ClientTarget

    return ClientTarget()


def _websocket(is_server: bool, is_compressed: bool) -> Target:
    return _function(
        partial(websocket, is_server=is_server, is_compressed=is_compressed),
        corpus.websocket_frames(is_server=is_server, is_compressed=is_compressed),
    )


ORIGINS: Final = (
    b"https://a.example\na.example",
    b"http://[::1]:80\n[::1]",
    b"null\n",
    b"https://a.example:99999\nb.example:x",
)
TARGETS: Final[dict[str, Target]] = {
    "engineio": _function(engineio, corpus.ENGINEIO),
    "engineio-v3-text": _function(engineio_v3_text, corpus.ENGINEIO_V3),
    "engineio-v3-binary": _function(engineio_v3_binary, corpus.ENGINEIO_V3_BINARY),
    "engineio-v3-packet": _function(engineio_v3_packet, (b"b4AQID", b"\x04\x01", b"b6")),
    "handshake": _function(handshake, corpus.HANDSHAKE),
    "json": _function(json, corpus.JSON),
    "socketio": _function(socketio, corpus.SOCKETIO),
    "msgpack": _function(msgpack, corpus.MSGPACK),
    "notepack": _function(notepack, corpus.MSGPACK),
    "cluster": _function(cluster, corpus.CLUSTER),
    "websocket-server": _websocket(True, False),
    "websocket-server-deflate": _websocket(True, True),
    "websocket-client": _websocket(False, False),
    "websocket-client-deflate": _websocket(False, True),
    "deflate": _function(deflate, corpus.DEFLATE),
    "negotiation": _function(negotiation, corpus.NEGOTIATION),
    "http": _function(http, corpus.HTTP),
    "query": _function(query, corpus.QUERY),
    "cookies": _function(cookies, corpus.COOKIES),
    "origin": _function(origin, ORIGINS),
    "forwarded": _function(forwarded, corpus.FORWARDED),
    "set-cookie": _function(set_cookie, corpus.SET_COOKIE),
    "listener": Target(make=_listener, corpus=corpus.LISTENER, is_codec=False),
    "client": Target(make=_client, corpus=corpus.CLIENT_STREAM, is_codec=False),
}
