"""Inputs from chance: random bytes, valid ones, and valid ones changed in a few places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

__all__ = ["LARGE", "MAX_INPUT", "TOKENS", "large", "mutate"]

MAX_INPUT: Final = 2048
"""Bytes; what is found is found in short inputs."""

LARGE: Final = 50_000
"""Bytes of inputs that show how the cost grows."""

TOKENS: Final = (
    *(b"\x1e", b"4", b"b", b"42", b"451-", b"-", b"/", b"/a,", b",", b"[", b"]", b"{", b"}", b'"'),
    *(b"\\ud83d", b"\\ude00", b"\\", b"\xff", b"\xc3", b"\0", b"NaN", b"1e999", b"-0", b"null"),
    *(b"9" * 16, b"9" * 17, b"18446744073709551616", b"[" * 130, b"]" * 130, b'"connect"'),
    *(b'{"_placeholder":true,"num":0}', b'"num":-1', b"\x81\x80\0\0\0\0", b"\xff" * 8),
    *(b"\x88\x02\x03\xe8", b"\x00\x00\xff\xff", b"\x03\x00", b";", b"=", b"server_max_window_bits"),
    *(b"\r\n", b"\r\n\r\n", b"\n", b"\r", b": ", b" ", b"\t", b"&", b"%", b"+", b"?", b"#", b"//"),
    *(b"POST", b"HEAD", b"OPTIONS", b"HTTP/1.0", b"Host: b\r\n", b"Content-Length: 0\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Origin: null\r\n",
        b"0\r\n\r\n",
    ),
    *(b"&sid=@SID", b"@SID", b"EIO=3", b"EIO=4", b"transport=websocket", b"transport=polling"),
    *(b"\x1f\x1ft", b"\x1f\x1fh", b"\x1f\x1f0", b"\x1f\x1f1", b"\x1f\x1fp", b"\x1f\x1fr"),
    *(b"\x1f\x1fe", b"\x1f\x1fl", b"j=1", b"b64=1", b"\xc1", b"\xd4\0\0", b"\xc7", b"\xdd\xff"),
)


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


def large(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """A valid input in which a few bytes, or a token, stand some ten thousand times."""
    data = corpus[int(rng.random() * len(corpus))]
    at = int(rng.random() * (len(data) + 1))
    part = data[at : at + 1 + int(rng.random() * 12)]
    if not part or rng.random() < 0.3:
        part = TOKENS[int(rng.random() * len(TOKENS))]
    return data[:at] + part * (LARGE // len(part)) + data[at:]
