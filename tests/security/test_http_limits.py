"""Heads, trailers and chunks without end, in large and small pieces, and requests without end.

Judged on the native listener, alone and with another application behind it; as an ASGI application
the engine has its host read all this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.security.judge import MB
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
CHUNKED: Final = "Transfer-Encoding: chunked"

SLICE: Final = 0.08
"""Seconds of processor time of one turn: four times what the catalogue has, for slow machines."""


# --- many small chunks ----------------------------------------------------------------------------


async def test_v30_chunks_of_one_byte(listener: str, targets: Callable[..., Target]) -> None:
    """170,000 chunks: one event, which is delivered."""
    event = '42["echo","' + "x" * (170_000 - 13) + '"]'
    chunks = "".join(f"1\r\n{character}\r\n" for character in event) + "0\r\n\r\n"
    target = targets(listener)
    async with target.attack(stall=SLICE, runs=event_runs("glued")) as attack:
        async with polling(attack.wire) as peer:
            began = await target.do("tests.security.scenarios.http.processor_time")
            head = request(f"POST {peer.target} HTTP/1.1", CHUNKED)
            peer.posts.write(head + chunks.encode())
            assert (await peer.posts.read()).body == b"ok"
            spent = await target.do("tests.security.scenarios.http.processor_time") - began
    assert spent <= 4 * 0.06, f"{spent * 1000:.0f} ms"


async def test_v30_body_limit_holds_for_small_chunks(
    listener: str, targets: Callable[..., Target]
) -> None:
    """A million and one bytes in chunks of two."""
    async with targets(listener).attack(stall=SLICE, peak=8 * MB) as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        peer.posts.write(request(f"POST {peer.target} HTTP/1.1", CHUNKED))
        peer.posts.write(b"2\r\n4x\r\n" * 500_001)
        assert (await peer.posts.read()).status == 413
        assert await peer.posts.is_closed()
        await peer.ended()


async def test_v30_body_of_ends_of_heads(listener: str, targets: Callable[..., Target]) -> None:
    """What a reader could look for in a body is only looked for in heads, or in slices."""
    async with targets(listener).attack(stall=SLICE) as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        assert (await peer.post("\r\n\r\n" * 249_999)).body == b"ok"
        await peer.ended()
        peer = await attack.wire.open_polling()
        await peer.connect()
        peer.posts.write(request(f"POST {peer.target} HTTP/1.1", CHUNKED, body=b"f423c\r\n"))
        peer.posts.write(b"\r\n\r\n" * 249_999 + b"\r\n0\r\n\r\n")
        assert (await peer.posts.read()).body == b"ok"
        await peer.ended()


# --- trailers and extensions ----------------------------------------------------------------------


async def test_v31_trailers_without_end(
    listener: str, way: str, targets: Callable[..., Target]
) -> None:
    async with targets(listener).attack(runs=event_runs(way)) as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        head = request(f"POST {peer.target} HTTP/1.1", CHUNKED, body=b"1\r\n4\r\n0\r\n")
        trailers = b"".join(b"X-%d: y\r\n" % number for number in range(100_000))
        check_refused(await answers_to(attack.wire, head + trailers, way, peer=peer), 431)
        await peer.ended()


async def test_v31_chunk_extension_without_end(
    listener: str, way: str, targets: Callable[..., Target]
) -> None:
    async with targets(listener).attack(runs=event_runs(way), peak=4 * MB) as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        head = request(f"POST {peer.target} HTTP/1.1", CHUNKED, body=b"1;a=")
        check_refused(await answers_to(attack.wire, head + b"x" * 8 * MB, way, peer=peer), 431)
        await peer.ended()


async def test_v31_short_trailers_pass(listener: str, targets: Callable[..., Target]) -> None:
    async with targets(listener).attack(runs=event_runs("glued")) as attack:
        async with polling(attack.wire) as peer:
            body = b'12;a=b\r\n42["echo","glued"]\r\n0\r\nX: y\r\n\r\n'
            peer.posts.write(request(f"POST {peer.target} HTTP/1.1", CHUNKED, body=body))
            assert (await peer.posts.read()).body == b"ok"


# --- long lines -----------------------------------------------------------------------------------


async def test_v32_long_target(listener: str, way: str, targets: Callable[..., Target]) -> None:
    async with targets(listener).attack(runs=event_runs(way)) as attack:
        async with polling(attack.wire) as peer:
            head = request(POLL.replace(" HTTP", "&" * 9 * 1024 + " HTTP"))
            check_refused(await answers_to(attack.wire, head, way, peer=peer), 414)


async def test_v32_long_header(listener: str, way: str, targets: Callable[..., Target]) -> None:
    async with targets(listener).attack(runs=event_runs(way, 2)) as attack:
        async with polling(attack.wire) as peer:
            for header in ("X: " + "x" * 17 * 1024, "X" * 17 * 1024 + ": x"):
                head = request(POLL, header)
                check_refused(await answers_to(attack.wire, head, way, peer=peer), 431)


async def test_v32_lines_that_never_end(
    listener: str, way: str, targets: Callable[..., Target]
) -> None:
    """Refused at the limit, not at the end."""
    line = b"GET /socket.io/?" + b"x" * 9 * 1024
    header = request(POLL).removesuffix(b"\r\n") + b"X: " + b"x" * 17 * 1024
    async with targets(listener).attack(runs=event_runs(way, 2)) as attack:
        async with polling(attack.wire) as peer:
            check_refused(await answers_to(attack.wire, line, way, peer=peer), 414)
            check_refused(await answers_to(attack.wire, header, way, peer=peer), 431)


# --- pipelining -----------------------------------------------------------------------------------


async def test_v33_requests_without_end_are_answered_in_order(
    listener: str, targets: Callable[..., Target]
) -> None:
    kinds = [
        ("nothing", {"code": 0, "message": "Transport unknown"}),
        ("polling&sid=nobody", {"code": 1, "message": "Session ID unknown"}),
    ]
    order = [number * number % 7 % 2 for number in range(10_000)]
    requests = [
        request(f"GET /socket.io/?EIO=4&transport={transport} HTTP/1.1") for transport, _ in kinds
    ]
    async with targets(listener).attack() as attack:
        http = await attack.wire.http()
        http.writer.writelines([requests[kind] for kind in order])
        for number, kind in enumerate(order):
            reply = await http.read()
            assert reply.body and reply.json() == kinds[kind][1], (number, reply)


async def test_v33_requests_behind_a_waiting_poll(
    listener: str, targets: Callable[..., Target]
) -> None:
    target = targets(listener)
    refused = request("GET /socket.io/?EIO=4&transport=polling&sid=nobody HTTP/1.1")
    async with target.attack() as attack:
        async with polling(attack.wire) as peer:
            peer.gets.send("GET", peer.target)  # waits
            peer.gets.write(refused * 10_000)
            most = await target.do("tests.security.scenarios.http.most_waiting", seconds=0.5)
            assert most == 8
        assert (await peer.gets.read()).body == b"6"
        for _ in range(10_000):
            assert (await peer.gets.read()).json() == {"code": 1, "message": "Session ID unknown"}
