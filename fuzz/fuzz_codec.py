"""Mutation fuzzer of the codec: any input decodes or raises the error that its decoder declares.

    python fuzz/fuzz_codec.py --inputs 1000000 --seed 1

Inputs are random bytes, valid ones, and valid ones mutated: bits flipped, slices cut, repeated,
spliced from another, interesting numbers and tokens put in. Same seed, same inputs. The first
failure ends the run with a traceback, the target and the input as a Python literal, and status 1;
`--target NAME --reproduce HEX` runs one input again.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
import zlib
from typing import TYPE_CHECKING, Final

from sockwave.codec import engineio_v3
from sockwave.codec.deflate import Deflate, PerMessageDeflate, negotiate
from sockwave.codec.engineio import BinaryMessage, encode_base64_packet, iter_payload
from sockwave.codec.socketio import (
    DEFAULT_MAX_ATTACHMENTS,
    Packet,
    Reassembler,
    decode_packet,
    encode_packet,
)
from sockwave.codec.websocket import MessageReader, apply_mask, encode_close, encode_frame
from sockwave.errors import PacketError, WebSocketError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_INPUT: Final = 2048
MAX_MESSAGE: Final = 4096

TOKENS: Final = [
    *(b"\x1e", b"4", b"b", b"42", b"451-", b"-", b"/", b"/a,", b",", b"[", b"]", b"{", b"}", b'"'),
    *(b"\\ud83d", b"\\ude00", b"\\", b"\xff", b"\xc3", b"\0", b"NaN", b"1e999", b"-0", b"null"),
    *(b"9" * 16, b"9" * 17, b"18446744073709551616", b"[" * 130, b"]" * 130, b'"connect"'),
    *(b'{"_placeholder":true,"num":0}', b'"num":-1', b"\x81\x80\0\0\0\0", b"\xff" * 8),
    *(b"\x88\x02\x03\xe8", b"\x00\x00\xff\xff", b"\x03\x00", b";", b"=", b"server_max_window_bits"),
]


# --- targets --------------------------------------------------------------------------------------


def engineio(data: bytes) -> None:
    try:
        packets = list(iter_payload(data))
    except PacketError:
        return
    again = [encode_base64_packet(p.data) if isinstance(p, BinaryMessage) else p for p in packets]
    assert list(iter_payload(b"\x1e".join(again))) == packets


def engineio_v3_text(data: bytes) -> None:
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
    try:
        packets = list(engineio_v3.iter_binary_payload(data))
    except PacketError:
        return
    again = engineio_v3.encode_binary_payload(packets)
    assert list(engineio_v3.iter_binary_payload(again)) == packets


def reassemble(text: bytes, attachments: Sequence[bytes] = ()) -> Packet:
    packet = decode_packet(text)
    if not packet.attachments:
        return packet
    reassembler = Reassembler(max_bytes=1000)
    reassembler.begin(packet)
    for number in range(packet.attachments):
        whole = reassembler.add(attachments[number] if attachments else b"%d" % number)
    assert whole is not None
    return whole


def socketio(data: bytes) -> None:
    try:
        packet = reassemble(data)
    except PacketError:
        return
    text, attachments = encode_packet(packet)
    if len(attachments) <= DEFAULT_MAX_ATTACHMENTS:
        assert reassemble(text, attachments) == packet


class Counter:
    """Counts messages and checks what a reader promises about each."""

    def __init__(self) -> None:
        self.calls = 0

    def text_received(self, data: bytes) -> None:
        self.calls += 1
        assert len(data) <= MAX_MESSAGE

    binary_received = text_received

    def ping_received(self, data: bytes) -> None:
        self.calls += 1
        assert len(data) <= 125

    pong_received = ping_received

    def close_received(self, code: int, reason: str) -> None:
        self.calls += 1
        assert 1000 <= code <= 4999 and len(reason) <= 123


def read(data: bytes, *, is_server: bool, is_compressed: bool, size: int) -> tuple[int, int]:
    """Feed the data in pieces; return how many messages came and the code of the failure."""
    handler = Counter()
    deflate = PerMessageDeflate(Deflate()) if is_compressed else None
    reader = MessageReader(handler, is_server=is_server, max_message=MAX_MESSAGE, deflate=deflate)
    try:
        for at in range(0, len(data), size):
            more = reader.feed(data[at : at + size], 3)
            while more:
                more = reader.feed(b"", 3)
    except WebSocketError as error:
        return handler.calls, error.code
    return handler.calls, 0


def websocket(*, is_server: bool, is_compressed: bool) -> Callable[[bytes], None]:
    def target(data: bytes) -> None:
        whole = read(data, is_server=is_server, is_compressed=is_compressed, size=MAX_INPUT)
        size = 1 + sum(data[:4]) % 61
        split = read(data, is_server=is_server, is_compressed=is_compressed, size=size)
        assert whole == split, f"{whole} in one piece, {split} in pieces of {size}"

    return target


def negotiation(data: bytes) -> None:
    answer = negotiate(data.decode("latin-1"), Deflate())
    if answer is not None:
        assert answer[0].startswith("permessage-deflate") and answer[0].isascii()
        assert answer[1].compress(b"x")


# --- corpora --------------------------------------------------------------------------------------

ENGINEIO: Final = [
    *(b"4hello", b"2", b"3probe", b"6\x1e1", b"bAQIDBA==", b"b-_-_", b"b"),
    b'4hello\x1e2\x1e4world\x1ebAQIDBA==\x1e451-["baz",{"_placeholder":true,"num":0}]',
]
SOCKETIO: Final = [
    *(b"40", b"40/admin,", b'40{"token":"123"}', b"41", b"41/admin,", b'42["foo"]', b"43/a,7[]"),
    *(b'42/admin,456["project:delete",123]', b'44/e,{"message":"bad","data":{"code":1}}'),
    b'42["echo",{"a":[1,2.5,-3e7,true,null,"\\ud83d\\ude00\\n\xc3\xa9"]},[[[{}]]]]',
    b'451-["baz",{"_placeholder":true,"num":0}]',
    b'452-/a,7["x",{"_placeholder":true,"num":0},{"k":[{"_placeholder":true,"num":1}]}]',
    b'461-15["bar",{"_placeholder":true,"num":0}]',
    *(b"40/" + b"n" * 254 + b",{}", b'42["' + b"e" * 255 + b'"]', b'429007199254740991["x"]'),
    b'42["a",' + b"[" * 126 + b"]" * 126 + b"]",
]
ENGINEIO_V3: Final = [
    *(b"6:4hello2:4a", b"2:b410:b4AQIDBA==1:3", b"0:1:2", "2:4€3:4😀".encode()),
    *("6:4a\u3a3ab:".encode(), b"002:4a" + b"1:4" * 30),
]
ENGINEIO_V3_BINARY: Final = [
    *(b"\x00\x04\xff4\xe2\x82\xac\x01\x05\xff\x04\x01\x02\x03\x04", b"\x01\x01\xff\x02"),
    b"\x01\x01\x00\xff\x04ABCDEFGHI\x00\x01\x00\xffb4AQIDBA==",
]
NEGOTIATION: Final = [
    b"permessage-deflate",
    b"permessage-deflate, permessage-deflate; client_max_window_bits",
    b"x; a, permessage-deflate;client_max_window_bits=8 , permessage-deflate",
    b"permessage-deflate; client_max_window_bits",
    b"permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
    b'x; y="z", permessage-deflate; server_no_context_takeover; client_no_context_takeover',
]


def frames(*, is_server: bool, is_compressed: bool) -> list[bytes]:
    def frame(opcode: int, payload: bytes, *, fin: bool = True, rsv1: bool = False) -> bytes:
        plain = encode_frame(opcode, payload, fin=fin, rsv1=rsv1)
        if not is_server:
            return plain
        # A fixed key: `encode_frame` draws one, and the same seed must give the same inputs.
        head = plain[: len(plain) - len(payload)]
        key = b"\x37\xfa\x21\x3d"
        return bytes([head[0], head[1] | 0x80]) + head[2:] + key + apply_mask(payload, key)

    close = encode_close(1000, "bye")[2:]
    corpus = [
        frame(1, b"hello") * 3,
        frame(2, bytes(200)) + frame(9, b"ping") + frame(10, b"") + frame(8, close),
        frame(1, b"a", fin=False) + frame(9, b"p") + frame(0, b"b" * 130) + frame(8, b""),
        frame(2, b"a", fin=False) + frame(0, b"b", fin=False) + frame(0, b"c") + frame(1, b"d"),
    ]
    if is_compressed:
        deflate = PerMessageDeflate(Deflate())
        packed = [deflate.compress(text) for text in (b"hello" * 9, b"", b"hello" * 800)]
        final = zlib.compressobj(wbits=-15)
        ended = final.compress(b"final") + final.flush(zlib.Z_FINISH)
        corpus += [
            b"".join(frame(1, data, rsv1=True) for data in packed),
            frame(2, packed[0][:3], fin=False, rsv1=True) + frame(0, packed[0][3:]),
            frame(1, ended + b"\0", rsv1=True) + frame(1, ended + packed[0], rsv1=True),
            frame(1, PerMessageDeflate(Deflate()).compress(bytes(9000)), rsv1=True),
        ]
    return corpus


Target = tuple["Callable[[bytes], None]", "Sequence[bytes]"]


def targets() -> dict[str, Target]:
    every: dict[str, Target] = {
        "engineio": (engineio, ENGINEIO),
        "engineio-v3-text": (engineio_v3_text, ENGINEIO_V3),
        "engineio-v3-binary": (engineio_v3_binary, ENGINEIO_V3_BINARY),
        "socketio": (socketio, SOCKETIO),
        "negotiation": (negotiation, NEGOTIATION),
    }
    for is_server in (True, False):
        for is_compressed in (True, False):
            name = ("server" if is_server else "client") + ("-deflate" if is_compressed else "")
            every[f"websocket-{name}"] = (
                websocket(is_server=is_server, is_compressed=is_compressed),
                frames(is_server=is_server, is_compressed=is_compressed),
            )
    return every


# --- mutation -------------------------------------------------------------------------------------


def mutate(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One input: random, or a valid one changed in up to four places."""
    pick = rng.random
    if pick() < 0.05:
        return rng.randbytes(int(pick() * 40))
    data = bytearray(corpus[int(pick() * len(corpus))])
    for _ in range(1 + int(pick() * 4)):
        at = int(pick() * (len(data) + 1))
        kind = int(pick() * 8)
        if kind < 2:
            if at < len(data):
                data[at] ^= 1 << int(pick() * 8)
        elif kind == 2:
            if at < len(data):
                data[at] = int(pick() * 256)
        elif kind == 3:
            del data[at : at + 1 + int(pick() * 8)]
        elif kind == 4:
            data[at:at] = data[at : at + 1 + int(pick() * 16)] * (1 + int(pick() * 3))
        elif kind == 5:
            data[at:at] = TOKENS[int(pick() * len(TOKENS))]
        elif kind == 6:
            other = corpus[int(pick() * len(corpus))]
            data[at:] = other[int(pick() * (len(other) + 1)) :]
        else:
            del data[at:]
    return bytes(data[:MAX_INPUT])


def run(name: str, target: Target, *, inputs: int, seed: int) -> bool:
    check, corpus = target
    rng = random.Random(f"{seed} {name}")
    for valid in corpus:
        if not passes(name, check, valid):
            return False
    for _ in range(inputs):
        data = mutate(rng, corpus)
        try:
            check(data)
        except Exception:
            return passes(name, check, data)
    return True


def passes(name: str, check: Callable[[bytes], None], data: bytes) -> bool:
    """Run one input; tell how to run it again when it fails."""
    try:
        check(data)
    except Exception:
        traceback.print_exc()
        print(f"{name} fails on {data!r}")
        print(f"again: python fuzz/fuzz_codec.py --target {name} --reproduce {data.hex() or '-'}")
        return False
    return True


def main() -> int:
    every = targets()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--inputs", type=int, default=100_000, help="in all, over the targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=every, help="this one only")
    parser.add_argument("--reproduce", metavar="HEX", help="run one input of --target")
    arguments = parser.parse_args()
    if arguments.target:
        every = {arguments.target: every[arguments.target]}
    if arguments.reproduce is not None:
        if not arguments.target:
            parser.error("--reproduce needs --target")
        data = bytes.fromhex(arguments.reproduce.strip("-"))
        return 0 if passes(arguments.target, every[arguments.target][0], data) else 1
    began = time.monotonic()
    done = 0
    for number, (name, target) in enumerate(every.items()):
        share = arguments.inputs * (number + 1) // len(every) - done
        if not run(name, target, inputs=share, seed=arguments.seed):
            return 1
        done += share
        print(f"{name}: {share} inputs, {time.monotonic() - began:.1f} s", file=sys.stderr)
    print(f"{done} inputs, 0 failures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
