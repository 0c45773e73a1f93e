"""Requests of an attacker as bytes, and all the answers that come back on their connection."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from tests.support.raw import within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.fronts import Wire
    from tests.support.raw import PollingPeer, RawHttp, Reply

__all__ = [
    "EVENT",
    "answers_to",
    "check_refused",
    "event_runs",
    "leave",
    "polling",
    "request",
    "sid_of",
]

EVENT: Final = '42["echo","glued"]'

MAX_ERROR_BODY: Final = 1024
"""Bytes of an answer to an attacker (OK4)."""

_SENT_ONE_BY_ONE: Final = 40_000


def request(line: str, *headers: str | bytes, body: bytes = b"", host: str | None = "a") -> bytes:
    """A request as it is given: request line, headers, nothing added but a `Host`."""
    lines = [line.encode("latin-1")]
    if host is not None:
        lines.append(b"Host: " + host.encode())
    lines += [each if isinstance(each, bytes) else each.encode("latin-1") for each in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def _send(http: RawHttp, data: bytes, way: str, reading: asyncio.Task[Any]) -> None:
    """Send bytes whole, or the first of them one by one; no more once all answers are there."""
    if way == "bytes":
        for at in range(min(len(data), _SENT_ONE_BY_ONE)):
            http.write(data[at : at + 1])
            await asyncio.sleep(0)
            if reading.done():
                return
        data = data[_SENT_ONE_BY_ONE:]
    http.write(data)


async def answers_to(
    wire: Wire, data: bytes, way: str, *, peer: PollingPeer | None = None
) -> list[Reply]:
    """Send requests on a connection; all answers until the server closes it.

    Args:
        way: `whole`, `bytes` (one a segment), or `glued` to the event of a session's POST.
        peer: That session's client.
    """
    http = await wire.http()
    if way == "glued":
        assert peer is not None
        http.send("POST", peer.target, None, EVENT.encode())
        await asyncio.sleep(0)
    reading = asyncio.create_task(_all_answers(http))
    await _send(http, data, way, reading)
    replies: list[Reply] = await within(reading)
    if way == "glued":
        first = replies.pop(0)
        assert (first.status, first.body) == (200, b"ok"), first
    return replies


async def _all_answers(http: RawHttp) -> list[Reply]:
    replies = []
    while True:
        try:
            replies.append(await http.read())
        except asyncio.IncompleteReadError as end:
            if end.partial:
                raise
            return replies


def check_refused(replies: list[Reply], status: int, *, what: str = "") -> None:
    """One answer, short, with nothing of the request's, and then the end (OK4)."""
    assert [reply.status for reply in replies] == [status], (what, replies)
    (reply,) = replies
    assert len(reply.body) <= MAX_ERROR_BODY, (what, reply)
    assert reply.header("connection") == "close", (what, reply)


@asynccontextmanager
async def polling(wire: Wire) -> AsyncIterator[PollingPeer]:
    """A session on polling, in the main namespace; its client leaves at the end of the block."""
    peer = await wire.open_polling()
    await peer.connect()
    yield peer
    await _say_goodbye(wire, peer.sid)


def sid_of(handshake: Reply) -> str:
    """The session that a handshake has opened."""
    packet = handshake.text.partition("\x1e")[0]
    sid: str = json.loads(packet.removeprefix("0"))["sid"]
    return sid


async def leave(wire: Wire, handshake: Reply) -> None:
    """End the session that a handshake has opened."""
    await _say_goodbye(wire, sid_of(handshake))


async def _say_goodbye(wire: Wire, sid: str) -> None:
    reply = await wire.request("POST", wire.target("polling", sid=sid), {}, b"1")
    assert reply.status == 200, reply


def event_runs(way: str, times: int = 1) -> Counter[str]:
    """What handlers run for the event that each attack is glued to."""
    return Counter({"echo": times} if way == "glued" else {})
