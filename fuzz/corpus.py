"""Valid inputs of each target, from which the others are made."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from sockwave.codec.deflate import Deflate, PerMessageDeflate
from sockwave.codec.msgpack import encode_msgpack_packet
from sockwave.codec.socketio import Packet, PacketType
from sockwave.codec.websocket import apply_mask, encode_close, encode_frame

__all__ = [
    "CLIENT_STREAM",
    "COOKIES",
    "DEFLATE",
    "ENGINEIO",
    "ENGINEIO_V3",
    "ENGINEIO_V3_BINARY",
    "FORWARDED",
    "HANDSHAKE",
    "HTTP",
    "JSON",
    "LISTENER",
    "MSGPACK",
    "NEGOTIATION",
    "QUERY",
    "SET_COOKIE",
    "SOCKETIO",
    "mask",
    "websocket_frames",
]

ENGINEIO: Final = (
    *(b"4hello", b"2", b"3probe", b"6\x1e1", b"bAQIDBA==", b"b-_-_", b"b"),
    b'4hello\x1e2\x1e4world\x1ebAQIDBA==\x1e451-["baz",{"_placeholder":true,"num":0}]',
)
ENGINEIO_V3: Final = (
    *(b"6:4hello2:4a", b"2:b410:b4AQIDBA==1:3", b"0:1:2", "2:4€3:4😀".encode()),
    *("6:4a\u3a3ab:".encode(), b"002:4a" + b"1:4" * 30),
)
ENGINEIO_V3_BINARY: Final = (
    *(b"\x00\x04\xff4\xe2\x82\xac\x01\x05\xff\x04\x01\x02\x03\x04", b"\x01\x01\xff\x02"),
    b"\x01\x01\x00\xff\x04ABCDEFGHI\x00\x01\x00\xffb4AQIDBA==",
)
HANDSHAKE: Final = (
    (
        b'0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,'
        b'"pingTimeout":20000,"maxPayload":1000000}'
    ),
    b'0{"sid":"a","upgrades":[],"pingInterval":0,"pingTimeout":1.5e3}',
)
SOCKETIO: Final = (
    *(b"40", b"40/admin,", b'40{"token":"123"}', b"41", b"41/admin,", b'42["foo"]', b"43/a,7[]"),
    *(b'42/admin,456["project:delete",123]', b'44/e,{"message":"bad","data":{"code":1}}'),
    b'42["echo",{"a":[1,2.5,-3e7,true,null,"\\ud83d\\ude00\\n\xc3\xa9"]},[[[{}]]]]',
    b'451-["baz",{"_placeholder":true,"num":0}]',
    b'452-/a,7["x",{"_placeholder":true,"num":0},{"k":[{"_placeholder":true,"num":1}]}]',
    b'461-15["bar",{"_placeholder":true,"num":0}]',
    *(b"40/" + b"n" * 254 + b",{}", b'42["' + b"e" * 255 + b'"]', b'429007199254740991["x"]'),
    b'42["a",' + b"[" * 126 + b"]" * 126 + b"]",
)
JSON: Final = (
    b'{"a":[1,2.5,-3e7,true,null,"\\ud83d\\ude00\\n\xc3\xa9\\ud83d"]}',
    *(b"[]", b"18446744073709551616", b"-0.0", b'"\\u0000"', b"1e308", b"[" * 128 + b"]" * 128),
)


def _packet(type_: PacketType, data: object, id_: int | None = None, namespace: str = "/") -> bytes:
    return encode_msgpack_packet(Packet(type_, namespace, id_, data))


MSGPACK: Final = (
    _packet(PacketType.CONNECT, {"token": "123"}),
    _packet(PacketType.CONNECT, None, namespace="/admin"),
    _packet(PacketType.EVENT, ["echo", b"\x01\x02", {"k": [1, -1, 2.5, None, "é" * 40]}], 7),
    _packet(PacketType.ACK, [2**40, -(2**40), b"x" * 300, "y" * 300], 2**53 - 1),
    _packet(PacketType.CONNECT_ERROR, {"message": "bad"}),
    # With JavaScript's `undefined`, and a date.
    b"\x83\xa4type\x00\xa4data\xd4\x00\x00\xa3nsp\xa1/",
    b"\x84\xa4type\x02\xa4data\x93\xa1x\xd4\x00\x00\xd7\x00"
    + struct.pack(">q", 1_700_000_000_000)
    + b"\xa3nsp\xa1/\xa2id\xd4\x00\x00",
    b"\x83\xa4type\x02\xa4data\x92\xa1x\xc7\x01\x00\x05\xa3nsp\xa1/",
    b"\x83\xa4type\x02\xa4data\x92\xdb\0\0\0\1x\xdd\0\0\0\1\xc6\0\0\0\1y\xa3nsp\xa1/",
)

CLUSTER: Final = (
    b'{"type":1,"data":{"sockwave":{"version":1,"parser":"json","interest":3}},"uid":"a","nsp":"/"}',
    (
        b'{"type":3,"data":{"packet":{"type":2,"data":["x",1]},"requestId":"b",'
        b'"opts":{"rooms":["r",7],"except":["s"],"flags":{"timeout":1000}}},"uid":"a","nsp":"/"}'
    ),
    b'{"type":8,"data":{"requestId":"b","sockets":[{"id":"c","rooms":[]}]},"uid":"a","nsp":"/"}',
    b'{"type":101,"data":{"version":2,"since":1,"add":["r"],"drop":["s"]},"uid":"a","nsp":"/"}',
    (
        b"\x84\xa4type\x03\xa4data\x82\xa6packet\x82\xa4type\x02\xa4data\x92\xa1x\xc4\x01\x09"
        b"\xa4opts\x83\xa5rooms\x90\xa6except\x90\xa5flags\x80\xa3uid\xa1a\xa3nsp\xa1/"
    ),
    b"\x84\xa4type\x65\xa4data\x82\xa7version\x01\xa6filter\xc5\x04\x00"
    + bytes(1024)
    + b"\xa3uid\xa1a\xa3nsp\xa1/",
    b"\x84\xa4type\x03\xa4data\x81\xa9requestId\xd4\x00\x00\xa3uid\xa1a\xa3nsp\xa1/",
)
NEGOTIATION: Final = (
    b"permessage-deflate",
    b"permessage-deflate, permessage-deflate; client_max_window_bits",
    b"x; a, permessage-deflate;client_max_window_bits=8 , permessage-deflate",
    b"permessage-deflate; client_max_window_bits",
    b"permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
    b'x; y="z", permessage-deflate; server_no_context_takeover; client_no_context_takeover',
)
QUERY: Final = (
    b"EIO=4&transport=polling&t=abc&sid=lv_VI97HAXpY6yYWAAAC",
    b"EIO=3&transport=websocket&b64=1&j=0&a=%E2%82%AC+x&a=&=b&&%",
)
COOKIES: Final = (b'io=abc; session="x=y"; a=; =b; c', b"a=1;a=2; b=\xff")
FORWARDED: Final = (
    b"203.0.113.7, 10.1.2.3,192.0.2.1",
    b"[2001:db8::1]:4711, ::ffff:192.0.2.1, 192.0.2.1:80\nhttp, https",
    b"2001:db8::1%eth0\nwss",
)
SET_COOKIE: Final = (
    b'io=abc; Path=/; HttpOnly; SameSite=Strict\n a = "b" ; Max-Age=3600',
    b"gone=; Max-Age=0\nlate=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Max-Age=x",
)

# --- deflate --------------------------------------------------------------------------------------


def _final(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush(zlib.Z_FINISH)


_writer = PerMessageDeflate(Deflate())
_PACKED: Final = tuple(_writer.compress(text) for text in (b"hello" * 9, b"", b"hello" * 800))
DEFLATE: Final = (
    *_PACKED,
    _final(b"final") + b"\0",
    _final(b"final") * 3 + _PACKED[0],
    PerMessageDeflate(Deflate()).compress(bytes(9000)),
    bytes.fromhex("000500faff48656c6c6f00"),
)

# --- WebSocket ------------------------------------------------------------------------------------


def mask(frame: bytes, length: int) -> bytes:
    """Mask a frame with a fixed key: `encode_frame` draws one, and a seed must give the same."""
    head, payload = frame[: len(frame) - length], frame[len(frame) - length :]
    key = b"\x37\xfa\x21\x3d"
    return bytes([head[0], head[1] | 0x80]) + head[2:] + key + apply_mask(payload, key)


def websocket_frames(*, is_server: bool, is_compressed: bool) -> tuple[bytes, ...]:
    """What a peer may send, to a server or to a client."""

    def frame(opcode: int, payload: bytes, *, fin: bool = True, rsv1: bool = False) -> bytes:
        plain = encode_frame(opcode, payload, fin=fin, rsv1=rsv1)
        return mask(plain, len(payload)) if is_server else plain

    close = encode_close(1000, "bye")[2:]
    corpus = [
        frame(1, b"hello") * 3,
        frame(2, bytes(200)) + frame(9, b"ping") + frame(10, b"") + frame(8, close),
        frame(1, b"a", fin=False) + frame(9, b"p") + frame(0, b"b" * 130) + frame(8, b""),
        frame(2, b"a", fin=False) + frame(0, b"b", fin=False) + frame(0, b"c") + frame(1, b"d"),
        frame(1, "é€😀".encode()[:4], fin=False) + frame(0, "é€😀".encode()[4:]),
    ]
    if is_compressed:
        corpus += [
            b"".join(frame(1, data, rsv1=True) for data in _PACKED),
            frame(2, _PACKED[0][:3], fin=False, rsv1=True) + frame(0, _PACKED[0][3:]),
            frame(1, DEFLATE[3], rsv1=True) + frame(1, _final(b"final") + _PACKED[0], rsv1=True),
            frame(1, DEFLATE[5], rsv1=True),
        ]
    return tuple(corpus)


# --- HTTP and whole connections -------------------------------------------------------------------


def _request(target: bytes, *headers: bytes, method: bytes = b"GET", body: bytes = b"") -> bytes:
    lines = (b"Host: a.example", *headers)
    return b"%b %b HTTP/1.1\r\n%b\r\n\r\n%b" % (method, target, b"\r\n".join(lines), body)


_POLLING: Final = b"/socket.io/?EIO=4&transport=polling"
_OPEN: Final = _request(_POLLING)
_POLL: Final = _request(_POLLING + b"&sid=@SID")
_CHUNKED: Final = b"Transfer-Encoding: chunked"
_UPGRADE: Final = (
    b"Connection: keep-alive, Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
_WEBSOCKET: Final = b"/socket.io/?EIO=4&transport=websocket"


def _post(body: bytes, target: bytes = _POLLING + b"&sid=@SID") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return _request(target, length, b"Content-Type: text/plain", method=b"POST", body=body)


HTTP: Final = (
    _OPEN,
    _OPEN * 3,
    _post(b'42["echo"]') + _POLL,
    _request(_POLLING, _CHUNKED, method=b"POST", body=b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"),
    _request(_POLLING, _CHUNKED, method=b"POST", body=b"1\r\na\r\n0\r\nX: y\r\n\r\n") + _OPEN,
    _request(_WEBSOCKET, *_UPGRADE) + b"\x81\x80\0\0\0\0",
    _request(b"/", b"Cookie: a=b", b"Cookie: c=d", b"Connection: close"),
    _request(b"/x", b"Expect: 100-continue", b"Content-Length: 2", method=b"PUT", body=b"ab"),
    b"GET / HTTP/1.0\r\n\r\n",
)


def _text(*payloads: bytes) -> bytes:
    return b"".join(mask(encode_frame(1, payload), len(payload)) for payload in payloads)


def _binary(payload: bytes) -> bytes:
    return mask(encode_frame(2, payload), len(payload))


# See `script.py`: 0x1f 0x1f and a letter end a segment.
_TURN, _OTHER, _LATER = b"\x1f\x1ft", b"\x1f\x1f1", b"\x1f\x1fh"
_JOIN: Final = _text(b"40") + _TURN
_ATTACHED: Final = b'451-0["echo",{"_placeholder":true,"num":0}]'
_POLLING_SESSION: Final = b"\0" + _OPEN + _TURN + _POLL + _OTHER
_SOCKET: Final = b"\0" + _request(_WEBSOCKET, *_UPGRADE)
_DEFLATED: Final = _request(
    _WEBSOCKET, *_UPGRADE, b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
)

LISTENER: Final = (
    _POLLING_SESSION + _post(b'40\x1e42["echo",1]') + _TURN + b"\x1f\x1f0" + _POLL,
    _POLLING_SESSION
    + _post(b"40")
    + _TURN
    + _post(_ATTACHED + b"\x1ebAQID")
    + b"\x1f\x1f0"
    + _POLL,
    _POLLING_SESSION + _post(b"1") + _TURN + _POLL,
    _POLLING_SESSION + _POLL,
    b"\0"
    + _OPEN
    + _TURN
    + _OTHER
    + _request(_WEBSOCKET + b"&sid=@SID", *_UPGRADE)
    + _TURN
    + _text(b"2probe")
    + _TURN
    + _text(b"5", b"40", b'421["echo","x"]'),
    b"\0"
    + _request(_POLLING.replace(b"4", b"3"))
    + _TURN
    + _post(b'12:42["echo",1]')
    + _request(_POLLING.replace(b"4", b"3") + b"&j=0")
    + _TURN
    + _OPEN.replace(b"=4", b"=3"),
    b"\0"
    + _request(b"/socket.io/?EIO=3&transport=websocket", *_UPGRADE)
    + _TURN
    + _text(b"40/admin,", b'421["echo"]', b"2")
    + _binary(b"\x04\x01"),
    b"\7" + _OPEN + _post(b"2", b"/socket.io/?transport=polling") + _request(b"/x"),
    _SOCKET + _TURN + _JOIN + _text(b'421["echo",{"a":[1]}]', b"3", b'42["later"]'),
    _SOCKET + _JOIN + _text(_ATTACHED) + _binary(b"\x01\x02\x03") + _TURN + _text(b"41"),
    _SOCKET + _JOIN + _text(b"40/admin,{}", b'42/admin,["join","a"]', b'430[{"x":1}]') + _LATER,
    _SOCKET
    + _JOIN
    + _text(b'42["ask"]')
    + _TURN
    + _text(b"430[1]", b'461-0[{"_placeholder":true}]'),
    _SOCKET + _text(b'40{"pid":"x","offset":"y"}', b"40/dynamic-7,") + _TURN + _text(b"1"),
    _SOCKET + b"\x1f\x1fp" + _JOIN + _text(b'42["flood"]' * 3) + b"\x1f\x1fr" + _LATER + _LATER,
    b"\0" + _DEFLATED + _JOIN + mask(encode_frame(1, _PACKED[0], rsv1=True), len(_PACKED[0])),
    _SOCKET + _TURN + websocket_frames(is_server=True, is_compressed=False)[1],
    b"\0" + _request(_POLLING, b"X-Forwarded-For: 203.0.113.7, 10.1.2.3", b"Origin: null"),
    *(b"\x0a" + request for request in HTTP),
)

_SERVER_OPEN: Final = HANDSHAKE[0]


def _from_server(*payloads: bytes) -> bytes:
    return b"".join(encode_frame(1, payload) for payload in payloads)


_CONNECTED: Final = _from_server(_SERVER_OPEN) + _TURN + _from_server(b'40{"sid":"s","pid":"p"}')
CLIENT_STREAM: Final = (
    b"\0" + _CONNECTED + _TURN + _from_server(b'42["echo",1]', b'421["echo",{"a":[]}]', b"2"),
    b"\0" + _CONNECTED + _from_server(_ATTACHED) + encode_frame(2, b"\x01\x02") + _TURN,
    b"\5" + _CONNECTED + _from_server(b'430["x"]', b"41", b'40{"sid":"t"}', b"40/admin,{}"),
    b"\0" + _from_server(_SERVER_OPEN, b'44{"message":"no","data":{"a":1}}') + _LATER,
    b"\0" + _CONNECTED + encode_frame(9, b"p") + encode_close(1001, "bye") + _TURN,
    b"\0" + _CONNECTED + _LATER + _from_server(b"2", b"1"),
    b"\0" + _CONNECTED + _from_server(b'44/admin,{"message":"no"}', b'42/admin,["x"]', b"bAQID"),
)
