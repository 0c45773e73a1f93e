"""What a peer can make a decoder do with the largest message: as little as any other, nearly.

Costs are compared with each other, in processor time, and memory is counted: nothing here depends
on how fast the machine is.
"""

from __future__ import annotations

import time
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from sockwave.codec import engineio, engineio_v3
from sockwave.codec.json import decode_json
from sockwave.codec.msgpack import decode_msgpack_packet
from sockwave.codec.socketio import Reassembler, decode_packet
from sockwave.engine.server.transports.payloads import REVISION_4, Jsonp
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.request import Request

MOST: Final = 1_000_000
"""The default of `max_payload`."""

PACKETS: Final = 65_536
"""The default of `limits.packets_per_post`."""

EVENT: Final = bytes.fromhex("83a47479706502a36e7370a12fa464617461")


Case = tuple["Callable[[bytes], Any]", bytes]
"""A decoder, and what it gets."""


def _text(unit: bytes, end: bytes, size: int) -> Case:
    return decode_json, b'["x","' + unit * ((size - 20) // len(unit)) + end + b'"]'


def _values(unit: bytes, size: int) -> Case:
    return decode_json, b'["x"' + unit * ((size - 20) // len(unit)) + b"]"


def _msgpack(unit: bytes, end: bytes, size: int) -> Case:
    count = (size - 50) // len(unit)
    array = b"\x93\xa1x\xdd" + count.to_bytes(4, "big") + unit * count
    return decode_msgpack_packet, EVENT + array + end


def _binary(unit: bytes, size: int) -> Case:
    def decode(text: bytes) -> Any:
        reassembler = Reassembler(max_bytes=MOST)
        reassembler.begin(decode_packet(text))
        return reassembler.add(b"attachment")

    head = b'451-["x",{"_placeholder":true,"num":0}'
    return decode, head + unit * ((size - 50) // len(unit)) + b"]"


def _jsonp(unit: bytes, size: int) -> Case:
    jsonp = Jsonp("0", REVISION_4)
    body = b"d=4" + unit * ((size - 3) // len(unit))
    return lambda body: list(jsonp.decode(body, cast("Request", None), PACKETS)), body


def _packets(read: Any, unit: bytes, size: int) -> Case:
    return lambda body: list(read(body)), unit * min(PACKETS, size // len(unit))


def _base64(unit: bytes, size: int) -> Case:
    return lambda body: list(engineio.iter_payload(body)), b"b" + unit * ((size - 1) // len(unit))


NULL: Final = b"\xc0"
UNDEFINED: Final = b"\xd4\0\0"

HALF: Final = rb"\ud83d"

SLOW: Final = {
    "json, arrays": partial(_values, b",[]"),
    "json, objects": partial(_values, b",{}"),
    "json, arrays in arrays": partial(_values, b",[[]]"),
    "json, half a pair beside escapes": partial(_text, rb"\n", HALF),
    "json, half a pair beside escaped backslashes": partial(_text, rb"\\", HALF),
    "json, half a pair beside pairs": partial(_text, rb"\ud83d\ude00", HALF),
    "json, halves of pairs": partial(_text, rb"\ud83d", HALF),
    "binary event, placeholders": partial(_binary, b',{"_placeholder":true,"num":0}'),
    "binary event, placeholders in arrays": partial(_binary, b',[{"_placeholder":true,"num":0}]'),
    "binary event, arrays": partial(_binary, b",[]"),
    "binary event, objects": partial(_binary, b',{"a":{}}'),
    "msgpack, arrays": partial(_msgpack, b"\x90", NULL),
    "msgpack, undefined among arrays": partial(_msgpack, b"\x90", UNDEFINED),
    "msgpack, undefined among maps": partial(_msgpack, b"\x80", UNDEFINED),
    "msgpack, undefined among arrays in arrays": partial(_msgpack, b"\x91\x90", UNDEFINED),
    "msgpack, undefined among members": partial(_msgpack, b"\x81\xa1a\x01", UNDEFINED),
    "msgpack, undefined among numbers": partial(_msgpack, b"\1", UNDEFINED),
    "msgpack, undefined": partial(_msgpack, UNDEFINED, NULL),
    "msgpack, undefined in arrays": partial(_msgpack, b"\x91" + UNDEFINED, NULL),
    "msgpack, undefined as members": partial(_msgpack, b"\x81\xa1a" + UNDEFINED, NULL),
    "msgpack, buffers of a byte": partial(_msgpack, b"\xc7\1\0\0", NULL),
    "msgpack, dates": partial(_msgpack, b"\xd7\0" + bytes(8), NULL),
    "msgpack, bytes like undefined": partial(_msgpack, b"\xc4\xfe" + b"\xd4\0" * 127, UNDEFINED),
    "jsonp, percents": partial(_jsonp, b"%"),
    "jsonp, cut escapes": partial(_jsonp, b"%4"),
    "jsonp, escapes": partial(_jsonp, b"%41"),
    "jsonp, escaped line feeds": partial(_jsonp, b"%5C%5Cn"),
    "payload, packets": partial(_packets, engineio.iter_payload, b"4\x1e"),
    "payload, binary packets": partial(_packets, engineio.iter_payload, b"bAAA=\x1e"),
    "payload, base64 in lines": partial(_base64, b"A\n"),
    "payload, base64 with rubbish": partial(_base64, b"A*"),
    "payload of revision 3, packets": partial(_packets, engineio_v3.iter_text_payload, b"1:4"),
    "payload of revision 3, text": partial(
        _packets, engineio_v3.iter_text_payload, "3:4üü".encode()
    ),
    "payload of revision 3, bytes": partial(
        _packets, engineio_v3.iter_binary_payload, b"\1\2\xff\4a"
    ),
}


def _run(decode: Callable[[bytes], Any], data: bytes) -> None:
    try:
        decode(data)
    except PacketError:
        pass


def _seconds(decode: Callable[[bytes], Any], data: bytes) -> float:
    """Of processor time; the best of some."""
    best = float("inf")
    for _ in range(2):
        began = time.process_time()
        _run(decode, data)
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize("name", SLOW)
def test_slow_path_costs_little_more_than_the_largest_plain_message(
    name: str,
) -> None:
    """Both are measured side by side, and again where others on the machine may have disturbed."""
    decode, data = SLOW[name](MOST)
    usual = SLOW["json, arrays"](MOST)
    assert len(data) <= MOST
    assert any(_seconds(decode, data) < 20 * _seconds(*usual) for _ in range(3))


@pytest.mark.parametrize("name", SLOW)
def test_slow_path_holds_little_more_than_the_value_that_it_makes(name: str) -> None:
    decode, data = SLOW[name](MOST // 8)
    tracemalloc.start()
    try:
        _run(decode, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A byte can be an empty dict, of 64, and lists on the way to it take three pointers of 8.
    assert peak < 120 * len(data)


def test_half_a_surrogate_pair_costs_the_same_whatever_stands_beside_it() -> None:
    assert _seconds(*_text(rb"\n", HALF, MOST)) < 10 * _seconds(*_text(b"ab", HALF, MOST))
