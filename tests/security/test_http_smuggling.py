"""Requests that two readers could read in two ways, and heads that are read as what they are not.

Judged on the native listener, alone and with another application behind it; as an ASGI application
the engine sees only what its host has read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.security.requests import (
    answers_to,
    check_refused,
    event_runs,
    polling,
    request,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

POLL: Final = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1"
POST: Final = "POST /socket.io/?EIO=4&transport=polling&sid=nobody HTTP/1.1"
CHUNKED: Final = "Transfer-Encoding: chunked"
NEXT: Final = request("GET /socket.io/?EIO=4&transport=next HTTP/1.1")
"""What would be answered as a second request, were it taken for one."""


def post(*headers: str | bytes, body: bytes = b"") -> bytes:
    return request(POST, *headers, body=body)


def lengths_and_codings() -> dict[str, bytes]:
    end = b"0\r\n\r\n"
    return {
        "length, then chunks": post("Content-Length: 4", CHUNKED, body=end),
        "chunks, then length": post(CHUNKED, "Content-Length: 4", body=end),
        "two lengths": post("Content-Length: 1", "Content-Length: 2", body=b"ab"),
        "the same length twice": post("Content-Length: 2", "Content-Length: 2", body=b"ab"),
        "length with a plus": post("Content-Length: +4", body=b"abcd"),
        "negative length": post("Content-Length: -1"),
        "list of lengths": post("Content-Length: 4,4", body=b"abcd"),
        "length in Arabic digits": post(b"Content-Length: \xd9\xa4", body=b"abcd"),
        "length in hexadecimal": post("Content-Length: 0x1", body=b"a"),
        "empty length": post("Content-Length: "),
        "length with a space": post("Content-Length: 1 1", body=b"a"),
        "unknown coding": post("Transfer-Encoding: xchunked", body=end),
        "coding behind chunks": post("Transfer-Encoding: chunked, identity", body=end),
        "coding before chunks": post("Transfer-Encoding: identity, chunked", body=end),
        "two codings": post(CHUNKED, CHUNKED, body=end),
        "two different codings": post(CHUNKED, "Transfer-Encoding: identity", body=end),
    }


CHUNKS: Final = {
    "size with a sign": b"+1\r\na\r\n0\r\n\r\n",
    "size after 0x": b"0x1\r\na\r\n0\r\n\r\n",
    "no size": b"\r\na\r\n0\r\n\r\n",
    "size of 2^64": b"10000000000000000\r\na\r\n",
    "size of 2^64 + 1": b"10000000000000001\r\na\r\n0\r\n\r\n",
    "space before the size": b" 1\r\na\r\n0\r\n\r\n",
    "more than announced": b"1\r\nab\r\n0\r\n\r\n",
    "bare line feed behind the size": b"1\na\r\n0\r\n\r\n",
    "bare line feed behind the data": b"1\r\na\n0\r\n\r\n",
}


def lines() -> dict[str, bytes]:
    line, head = POLL.encode() + b"\r\n", b"Host: a\r\n"
    return {
        "bare line feed": line + b"Host: a\nX: y\r\n\r\n",
        "bare return": line + b"Host: a\rX: y\r\n\r\n",
        "bare line feeds only": line.replace(b"\r\n", b"\n") + b"Host: a\n\n",
        "zero in a value": line + head + b"X: a\0b\r\n\r\n",
        "zero in a name": line + head + b"X\0: b\r\n\r\n",
        "zero in the target": b"GET /socket.io/?\0 HTTP/1.1\r\n" + head + b"\r\n",
        "folded line": line + head + b"X: y\r\n z\r\n\r\n",
        "space before the colon": line + head + b"X : y\r\n\r\n",
        "space before the first name": line + b" Host: a\r\n\r\n",
        "no colon": line + head + b"X\r\n\r\n",
        "no name": line + head + b": y\r\n\r\n",
        "space in the target": b"GET /socket.io/?a b HTTP/1.1\r\n" + head + b"\r\n",
    }


def versions() -> dict[str, bytes]:
    return {
        "none": b"GET /socket.io/?EIO=4&transport=polling\r\n\r\n",
        "0.9": request(POLL.replace("1.1", "0.9")),
        "2.0": request(POLL.replace("1.1", "2.0")),
        "1.2": request(POLL.replace("1.1", "1.2")),
        "1": request(POLL.replace("1.1", "1")),
        "other protocol": request(POLL.replace("HTTP", "HTCPCP")),
    }


UNKNOWN_PATHS: Final = {
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "asterisk": request("OPTIONS * HTTP/1.1"),
    "whole URL of another scheme": request("GET ftp://a/socket.io/ HTTP/1.1"),
    "whole URL with a password": request("GET http://b:c@a/socket.io/ HTTP/1.1"),
    "authority": request("CONNECT a:80 HTTP/1.1"),
}
"""With these the application behind the listener has to deal, where there is one."""


async def refuse_all(
    target: Target, inputs: dict[str, bytes], way: str, *statuses: int, glued: bytes = NEXT
) -> None:
    """Each input has one answer with one of the statuses, and ends its connection."""
    async with target.attack(runs=event_runs(way, len(inputs))) as attack:
        async with polling(attack.wire) as peer:
            for what, data in inputs.items():
                replies = await answers_to(attack.wire, data + glued, way, peer=peer)
                status = replies[0].status if replies else 0
                assert status in statuses, (what, replies)
                check_refused(replies, status, what=what)
                # What is wrong, in constant words.
                assert (replies[0].header("content-type") or "").startswith("text/plain"), replies
                assert len(replies[0].body) < 100, (what, replies)


async def test_v34_ambiguous_bodies(
    listener: str, way: str, targets: Callable[..., Target]
) -> None:
    await refuse_all(targets(listener), lengths_and_codings(), way, 400)


async def test_v34_chunks_that_are_none(
    listener: str, way: str, targets: Callable[..., Target]
) -> None:
    async with targets(listener).attack(runs=event_runs(way, len(CHUNKS))) as attack:
        for what, chunks in CHUNKS.items():
            peer = await attack.wire.open_polling()
            await peer.connect()
            head = request(f"POST {peer.target} HTTP/1.1", CHUNKED)
            replies = await answers_to(attack.wire, head + chunks + NEXT, way, peer=peer)
            check_refused(replies, 400, what=what)
            await peer.ended()


async def test_v34_length_beyond_64_bits(
    listener: str, way: str, targets: Callable[..., Target]
) -> None:
    inputs = {str(length): post(f"Content-Length: {length}") for length in (10**15, 2**64 - 1)}
    await refuse_all(targets(listener), inputs, way, 413)
    await refuse_all(targets(listener), {"2^64": post(f"Content-Length: {2**64}")}, way, 400, 413)


async def test_v34_lines_that_end_elsewhere(
    listener: str, way: str, targets: Callable[..., Target]
) -> None:
    await refuse_all(targets(listener), lines(), way, 400)


async def test_v34_other_versions(listener: str, way: str, targets: Callable[..., Target]) -> None:
    await refuse_all(targets(listener), versions(), way, 400, 505)


async def test_v34_targets_without_a_path(
    native: str, way: str, targets: Callable[..., Target]
) -> None:
    await refuse_all(targets(native), UNKNOWN_PATHS, way, 400, 505)


async def test_v35_headers_that_come_twice(
    listener: str, way: str, targets: Callable[..., Target]
) -> None:
    values = {
        "Host": "a",
        "Origin": "http://a",
        "Content-Type": "text/plain",
        "Sec-WebSocket-Key": "eHh4eHh4eHh4eHh4eHh4eA==",
    }
    inputs = {}
    for name, value in values.items():
        host = None if name == "Host" else "a"
        first, other = f"{name}: {value}", f"{name}: {value}2"
        inputs[f"two of {name}"] = request(POLL, first, other, host=host)
        inputs[f"{name} twice the same"] = request(POLL, first, first, host=host)
        inputs[f"{name} in two spellings"] = request(POLL, first.lower(), other, host=host)
    await refuse_all(targets(listener), inputs, way, 400)


async def test_v35_no_host(listener: str, way: str, targets: Callable[..., Target]) -> None:
    await refuse_all(targets(listener), {"no host": request(POLL, host=None)}, way, 400)
