"""Servers that lie, flood, never end or send elsewhere: what the client does about it.

The client is in a process of its own where memory or time is judged, else in the test's loop.
"""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Final

import pytest

from sockwave import LimitExceeded, connect
from sockwave.codec.websocket import server_frame
from sockwave.socketio.client.backoff import Backoff
from tests.security.hostile import ACCEPTED, Hostile, opening
from tests.security.judge import MB
from tests.security.settings import scaled
from tests.security.victims import FAST

if TYPE_CHECKING:
    from sockwave.types import TransportName
    from tests.security.victims import Client

# --- C01: handshakes ------------------------------------------------------------------------------

LIES: Final = {
    "pingInterval -1": (opening(pingInterval=-1), "pingInterval"),
    "pingInterval of text": (opening(pingInterval="x"), "pingInterval"),
    "pingInterval missing": (opening(pingInterval=None), "pingInterval"),
    "pingTimeout true": (opening(pingTimeout=True), "pingTimeout"),
    "sid of 70 kB": (opening(sid="x" * 70_000), "too large"),
    "sid of 2 kB": (opening(sid="x" * 2_000), "sid"),
    "sid of a number": (opening(sid=7), "sid"),
    "sid empty": (opening(sid=""), "sid"),
    "upgrades of text": (opening(upgrades="websocket"), "upgrades"),
    "maxPayload -1": (opening(maxPayload=-1), "maxPayload"),
    "list": (b"0[]", "not a JSON object"),
    "nothing": (b"0", "not a JSON object"),
    "10 MB": (opening(sid="x" * 10_000_000), "too large"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_c01_handshake_of_no_use_is_a_clear_error(
    client: Client, transport: TransportName, lie: str
) -> None:
    packet, text = LIES[lie]
    server = Hostile(transport, open_with=packet)
    async with server.serve() as url:
        options = {"transports": [transport]}
        size = len(packet)  # of which the allocator may keep as much again
        async with client.attacked(
            url, options=options, peak=4 * MB + 3 * size, kept=8 * MB + 2 * size
        ) as ordeal:
            report = await ordeal.seen(lambda report: report["errors"])
    kind, told, *_ = report["errors"][0]
    assert kind == "PacketError"
    assert told.startswith("invalid handshake") and text in told
    assert len(told) < 100


@pytest.mark.parametrize("interval", [0, 1e308])
async def test_c01_times_are_clamped(transport: TransportName, interval: float) -> None:
    packets = [ACCEPTED, b'42["hello"]']
    server = Hostile(transport, packets, open_with=opening(pingInterval=interval))
    async with server.serve() as url:
        socket = connect(url, transports=[transport], **FAST)
        assert await anext(socket.events("hello")) == ()
        await socket.aclose()


@pytest.mark.parametrize("sid", ["../x", "a&b=c", "x\r\nX-Evil: 1", "ä €", "a#b?c"])
async def test_c01_session_id_is_quoted_in_urls(sid: str) -> None:
    server = Hostile("polling", [ACCEPTED], open_with=opening(sid=sid))
    async with server.serve() as url:
        async with connect(url, transports=["polling"], **FAST):
            pass
    targets = [head.split("\r\n")[0] for head in server.heads if "sid=" in head]
    assert len(targets) >= 2
    for target in targets:
        _, path, version = target.split(" ")
        assert version == "HTTP/1.1" and path.isascii()
        assert path.startswith("/socket.io/?EIO=4&transport=polling&")
        assert path.count("&") == 3 and path.count("?") == 1
    assert not any("evil" in line.lower() for h in server.heads for line in h.split("\r\n")[1:])


async def test_c01_upgrades_that_are_none_are_passed_over() -> None:
    names = ["__class__", "polling", 7, None, {"a": 1}]
    server = Hostile("polling", [ACCEPTED, b'42["hello"]'], open_with=opening(upgrades=names))
    async with server.serve() as url:
        socket = connect(url, **FAST)
        assert await anext(socket.events("hello")) == ()
        assert socket.manager.transport == "polling"
        await socket.aclose()
    assert not any("Upgrade" in head for head in server.heads)


# --- C02, C04, C05: floods, refusals, and emits without end ---------------------------------------


async def test_c02_events_wait_while_handlers_are_slow(
    client: Client, transport: TransportName
) -> None:
    count = scaled(1_000_000, 100_000)
    event = b'42["flood"]'
    raw = server_frame(event) * count if transport == "websocket" else b"\x1e".join([event] * count)
    open_with = opening(pingInterval=60_000)  # it sends no pings
    server = Hostile(transport, [ACCEPTED], raw=raw, open_with=open_with)
    options = {"transports": [transport], "max_pending_handlers": 1_000}
    async with server.serve() as url:
        attacked = client.attacked(url, handler="waits", options=options, peak=32 * MB)
        async with attacked as ordeal:
            await ordeal.seen(lambda report: report["events"] >= 1_000)
            await asyncio.sleep(0.2)
            assert (await ordeal.report())["events"] == 1_000  # the others wait
            await client.do("release")
            await ordeal.seen(lambda report: report["events"] == count)


async def test_c02_events_before_the_socket_is_accepted_have_a_bound(client: Client) -> None:
    """In number and in bytes: ten thousand events of 900 kB would be 9 GB."""
    event = b'451-["a",{"_placeholder":true,"num":0}]'
    server = Hostile("websocket", [event, (bytes(900_000),)] * 80)
    options = {"transports": ["websocket"], "reconnection": False}
    async with server.serve() as url:
        async with client.attacked(url, options=options, peak=80 * MB) as ordeal:
            report = await ordeal.seen(lambda report: report["lost"])
    assert report["lost"][0][:2] == ["parse error", "LimitExceeded"]
    assert report["events"] == 0


@pytest.mark.parametrize("is_open_first", [False, True], ids=["at once", "after OPEN"])
async def test_c04_server_that_closes_at_once_is_called_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch, transport: TransportName, is_open_first: bool
) -> None:
    """Judged by the delays that are drawn; they are run a hundredth as long."""
    drawn: list[float] = []
    draw = Backoff.next

    def hundredth(backoff: Backoff) -> float:
        drawn.append(draw(backoff))
        return drawn[-1] / 100

    monkeypatch.setattr(Backoff, "next", hundredth)
    server = Hostile(transport, [b"1"]) if is_open_first else Hostile(transport, answer=b"")
    async with server.serve() as url:
        socket = connect(url, transports=[transport], close_timeout=0.1)
        await server.asked(9)
        await socket.aclose()
    for number, delay in enumerate(drawn):
        base = 2.0 ** min(number, 8)
        assert min(0.5 * base, 5.0) <= delay <= min(1.5 * base, 5.0)
    assert len(drawn) >= 8
    assert drawn[4:] == [5.0] * len(drawn[4:])


async def test_c04_backoff_begins_anew_only_when_a_socket_is_accepted(
    monkeypatch: pytest.MonkeyPatch, transport: TransportName
) -> None:
    drawn: list[float] = []
    draw = Backoff.next

    def hundredth(backoff: Backoff) -> float:
        drawn.append(draw(backoff))
        return drawn[-1] / 100

    monkeypatch.setattr(Backoff, "next", hundredth)
    server = Hostile(transport, [ACCEPTED, b"1"])
    async with server.serve() as url:
        socket = connect(url, transports=[transport], close_timeout=0.1)
        await server.asked(6)
        await socket.aclose()
    assert all(0.5 <= delay <= 1.5 for delay in drawn)


async def test_c05_emits_while_offline_have_a_bound() -> None:
    socket = connect("http://127.0.0.1:9", auto_connect=False)
    for number in range(10_000):
        socket.emit("event", number)
        socket.volatile.emit("dropped", number)
    with pytest.raises(LimitExceeded, match="10000 events wait"):
        socket.emit("event", 10_000)
    socket.volatile.emit("dropped")
    assert len(socket.send_buffer) == 10_000


# --- V44: servers without an end ------------------------------------------------------------------


async def test_v44_endless_response_head_is_given_up(
    client: Client, transport: TransportName
) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + (b"X-Filler: " + b"x" * 1_000 + b"\r\n") * 20_000
    await assert_given_up(client, Hostile(transport, answer=head))


async def test_v44_endless_line_of_a_response_head_is_given_up(
    client: Client, transport: TransportName
) -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 20_000_000
    await assert_given_up(client, Hostile(transport, answer=head))


async def test_v44_endless_body_of_an_error_is_given_up(
    client: Client, transport: TransportName
) -> None:
    head = b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = head + (b"10000\r\n" + bytes(0x10000) + b"\r\n") * 300
    await assert_given_up(client, Hostile(transport, answer=answer))


async def test_v44_endless_body_is_given_up(client: Client) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = head + (b"10000\r\n" + b"4" * 0x10000 + b"\r\n") * 300
    await assert_given_up(client, Hostile("polling", answer=answer))


async def test_v44_body_that_inflates_without_end_is_given_up(client: Client) -> None:
    body = gzip.compress(b"4" * 100_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    await assert_given_up(client, Hostile("polling", answer=head + body))


async def test_v44_fragments_without_end_are_given_up(client: Client) -> None:
    fragments = b"\x01\x014" + b"\x00\x01a" * 1_000_000
    await assert_given_up(client, Hostile("websocket", [], raw=fragments, open_with=b"6"))


async def test_v44_silence_ends_with_the_timeout(client: Client, transport: TransportName) -> None:
    server = Hostile(transport, answer=b"HTTP/1.1 200 OK\r\n", then_silent=True)
    await assert_given_up(client, server, kind="ConnectTimeout")


async def assert_given_up(client: Client, server: Hostile, kind: str | None = None) -> None:
    """An error within the time that an attempt has, and 4 MB at most."""
    options = {"transports": [server.transport], "timeout": 2.0, "max_payload": 500_000}
    async with server.serve() as url:
        async with client.attacked(url, options=options) as ordeal:
            report = await ordeal.seen(lambda report: report["errors"] or report["lost"])
    told = (report["errors"] or [report["lost"][0][1:]])[0]
    assert kind is None or told[0] == kind, told
    assert all(told)
