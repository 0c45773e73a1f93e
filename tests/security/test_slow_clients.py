"""Peers that take their time: heads, bodies, handshakes and sessions that never become whole."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import TYPE_CHECKING, Final

from tests.security.crowd import CROWD_DEADLINE, PollingMember, SocketMember, TcpMember, crowd
from tests.security.judge import MB
from tests.security.settings import HASTY, scaled
from tests.support.certificate import write_certificate
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.security.judge import Target
    from tests.support.fronts import Wire
    from tests.support.raw import RawHttp

SECOND: Final = 1.0
"""The time-outs of heads and bodies in these rows."""

DRIP: Final = 0.4
"""Seconds between two bytes of a slow peer."""

TRIM: Final = "tests.security.scenarios.memory.trim"

KEPT: Final = scaled(48, 8) * MB
"""What Python keeps of thousands of sessions for the next ones; more rounds add nothing."""

UNKNOWN: Final = {"code": 1, "message": "Session ID unknown"}


async def _drip(members: Sequence[TcpMember], byte: bytes) -> None:
    """Send a byte now and then, until all connections have ended."""
    while any(member.ended is None for member in members):
        for member in members:
            if member.ended is None:
                member.tcp.write(byte)
        await asyncio.sleep(DRIP)


async def _all_ended(members: Sequence[TcpMember]) -> None:
    await until(lambda: all(member.ended is not None for member in members), CROWD_DEADLINE)


async def test_d01_head_that_comes_byte_by_byte(
    native: str, targets: Callable[..., Target]
) -> None:
    async with targets(native, **HASTY).attack(peak=20 * MB) as attack:
        members = [TcpMember(b"GET / HTTP/1.1\r\nX-Slow: ") for _ in range(2_000)]
        async with crowd(attack.wire, members):
            await asyncio.wait_for(_drip(members, b"x"), CROWD_DEADLINE)
    for member in members:
        assert member.received.startswith(b"HTTP/1.1 408 "), member.received
        assert member.age >= SECOND - 0.05


async def test_d02_body_that_comes_byte_by_byte(front: str, targets: Callable[..., Target]) -> None:
    # What Python keeps for the next ones; four more rounds add nothing.
    async with targets(front, **HASTY).attack(kept=12 * MB) as attack:
        wire = attack.wire
        peer = await wire.http()
        sids = [await _joined(peer, wire) for _ in range(500)]
        head = "POST {} HTTP/1.1\r\nHost: test.example\r\nContent-Length: 100\r\n\r\n4"
        members = [TcpMember(head.format(wire.target(sid=sid)).encode()) for sid in sids]
        async with crowd(wire, members):
            dripping = asyncio.create_task(_drip(members, b"x"))
            await until(lambda: all(member.received for member in members), CROWD_DEADLINE)
            await asyncio.wait_for(dripping, CROWD_DEADLINE)
        for member in members:
            assert member.received.startswith(b"HTTP/1.1 408 "), member.received
            assert member.age >= SECOND - 0.05
        for sid in sids[::10]:
            reply = await peer.get(wire.target(sid=sid))
            assert (reply.status, reply.json()) == (400, UNKNOWN)


async def _joined(http: RawHttp, wire: Wire) -> str:
    """Open a session on polling and join the main namespace."""
    packet = (await http.get(wire.target())).text
    sid: str = json.loads(packet[1:])["sid"]
    assert (await http.post(wire.target(sid=sid), "40")).body == b"ok"
    return sid


async def test_d03_handshake_of_tls_that_never_ends(
    native: str, targets: Callable[..., Target], tmp_path: Path
) -> None:
    target = targets(native, **HASTY)
    certificate = str(write_certificate(tmp_path / "both.pem"))
    port = await target.do("tests.security.scenarios.tls.listen", certificate=certificate)
    hello = _client_hello()
    async with target.attack(peak=64 * MB) as attack:
        firsts = (b"", hello[:1], hello[:-1], hello)
        members = [TcpMember(firsts[number % 4]) for number in range(1_000)]
        async with crowd(attack.wire, members, port=port):
            await _all_ended(members)
        # Buffers of a quarter of a megabyte, of which little was touched, leave holes in the heap.
        await target.do(TRIM)
    assert all(member.age >= SECOND - 0.05 for member in members)
    assert all(not member.received for member in members if member.first != hello)


def _client_hello() -> bytes:
    """The first flight of a TLS client."""
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="test.example").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


async def test_d04_websockets_that_join_nothing(front: str, targets: Callable[..., Target]) -> None:
    count = scaled(5_000, 500)
    each = 8_192 if front == "native" else 32_768  # the latter is mostly the host's
    target = targets(front, **HASTY)
    async with target.attack(
        peak=count * each + 4 * MB, kept=KEPT + count * each // 2, stall=0.4
    ) as attack:
        members = [SocketMember(attack.wire) for _ in range(count)]
        async with crowd(attack.wire, members):
            await _all_ended(members)
        await target.do(TRIM)
    for member in members:
        assert member.code == (1005 if front == "native" else 1000)
        assert member.age >= HASTY["connect_timeout"] - 0.05


async def test_d05_polls_that_join_nothing(front: str, targets: Callable[..., Target]) -> None:
    count = scaled(5_000, 500)
    target = targets(front, **HASTY)
    async with target.attack(peak=count * 32_768 + 4 * MB, kept=KEPT, stall=0.4) as attack:
        members = [PollingMember(attack.wire) for _ in range(count)]
        async with crowd(attack.wire, members):
            await until(lambda: all(_is_refused(member) for member in members), CROWD_DEADLINE)
        await target.do(TRIM)
    for member in members:  # without or with a poll in between
        assert member.packets in (["1"], ["6", "1"]), member.packets


def _is_refused(member: PollingMember) -> bool:
    return member.status == 400 or member.ended is not None


async def test_d05_polls_that_are_not_repeated(front: str, targets: Callable[..., Target]) -> None:
    target = targets(front, **HASTY)
    async with target.attack() as attack:
        http = await attack.wire.http()
        sids = [await _joined(http, attack.wire) for _ in range(scaled(500, 200))]
        for sid in sids:
            assert (await http.get(attack.wire.target(sid=sid))).text.startswith("40")
        await _forgotten(target)
        reply = await http.get(attack.wire.target(sid=sids[-1]))
        assert (reply.status, reply.json()) == (400, UNKNOWN)


async def _forgotten(target: Target) -> None:
    """Wait until the server has no session but those of the honest clients."""
    async with asyncio.timeout(CROWD_DEADLINE):
        while (await target.do("counts"))["sessions"] > 2:
            await asyncio.sleep(0.1)


async def test_d06_handshakes_that_are_thrown_away(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front, **HASTY)
    count = scaled(10_000, 2_000)
    async with target.attack(peak=count * 4_096 + 2 * MB, kept=KEPT) as attack:
        http = await attack.wire.http()
        requests = f"GET {attack.wire.target()} HTTP/1.1\r\nHost: test.example\r\n\r\n".encode()
        http.write(requests * count)
        for _ in range(count):
            assert (await http.read()).status == 200
        assert (await target.do("counts"))["sessions"] > 2
        await _forgotten(target)
