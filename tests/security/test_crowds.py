"""Many who come, go and fall silent at once: rows D33 to D35."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sockwave.codec.websocket import encode_close
from tests.security.crowd import CROWD_DEADLINE, SocketMember, TcpMember, crowd
from tests.security.judge import MB
from tests.security.settings import HASTY, scaled
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tests.security.judge import Target
    from tests.support.fronts import Wire

Member = TypeVar("Member", bound=TcpMember)


async def connect_all(wire: Wire, members: Sequence[TcpMember]) -> None:
    """Open the connections of all at once."""
    loop = asyncio.get_running_loop()
    connecting = [
        loop.create_connection(partial(_itself, member), wire.host, wire.port) for member in members
    ]
    await asyncio.gather(*connecting)


def _itself(member: TcpMember) -> TcpMember:
    return member


async def all_of(members: Sequence[Member], condition: Callable[[Member], object]) -> None:
    """Wait until something is true of each."""
    await until(lambda: all(map(condition, members)), CROWD_DEADLINE)


# --- D33: come and go -----------------------------------------------------------------------------

VISITS: Final = scaled(100_000, 800)

TOGETHER: Final = 50


class WebSocketVisitor(SocketMember):
    """Joins the main namespace, and closes the WebSocket when it is in."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire, "40")

    def text_received(self, data: bytes) -> None:
        """Leave."""
        super().text_received(data)
        if self.packets:
            self.tcp.write(encode_close(1000, mask=True))


class PollingVisitor(TcpMember):
    """Asks for a session, joins and closes it with the next request."""

    def __init__(self, wire: Wire) -> None:
        self._target = wire.target()
        super().__init__(f"GET {self._target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Go one step on."""
        super().data_received(data)
        if self.received.endswith(b"}"):
            sid = bytes(self.received).partition(b'"sid":"')[2].partition(b'"')[0].decode()
            body = "40\x1e1"
            head = f"POST {self._target}&sid={sid} HTTP/1.1\r\nHost: a\r\n"
            self.tcp.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        elif self.received.endswith(b"\r\n\r\nok"):
            self.tcp.close()


async def test_d33_clients_that_come_and_go_leave_nothing(
    front: str, targets: Callable[..., Target], transport: str
) -> None:
    async with targets(front).attack() as attack:
        kind = WebSocketVisitor if transport == "websocket" else PollingVisitor
        done = b"\r\n\r\nok" if transport == "polling" else b"101 Switching"
        for _ in range(0, VISITS, TOGETHER):
            visitors = [kind(attack.wire) for _ in range(TOGETHER)]
            await connect_all(attack.wire, visitors)
            await all_of(visitors, lambda visitor: visitor.ended)
            assert all(done in visitor.received for visitor in visitors)


RATED: Final[dict[str, Any]] = {"rate_limits": {"address_handshakes": 20.0, "burst": 1.0}}

REFUSED: Final = 80


async def test_d33_address_that_comes_too_often_is_refused_when_that_is_asked_for(
    front: str, targets: Callable[..., Target]
) -> None:
    """Those who are in stay, of the same address too."""
    async with targets(front, **RATED).attack() as attack:
        wire = attack.wire
        began = time.monotonic()
        accepted = 0
        for number in range(REFUSED):
            if number % 2:
                reply = await wire.get(wire.target())
            else:
                reply = await wire.upgrade(wire.target("websocket"))
            if reply.status == 429:
                assert int(reply.header("retry-after") or "0") >= 1
                assert len(reply.body) <= 1_024
                continue
            accepted += 1
            if number % 2:
                sid = reply.text.partition('"sid":"')[2].partition('"')[0]
                assert (await (await wire.http()).post(wire.target(sid=sid), "1")).text == "ok"
        assert 1 <= accepted <= 20 * (1 + time.monotonic() - began) + 1


# --- D34: all at once -----------------------------------------------------------------------------

CROWD: Final = {"native": scaled(10_000, 1_200), "asgi": scaled(1_500, 400)}
"""The host takes five times as long for each, and the honest wait 5 seconds at most."""

ROOM: Final = {"native": 10_000, "asgi": 80_000}
"""Bytes of memory that an open session may take, all of the host's included."""

BURST: Final = 1.0
"""Seconds of a turn: the kernel hands over all that wait at once, up to 4,096."""


@asynccontextmanager
async def storm(wire: Wire, size: int) -> AsyncIterator[list[SocketMember]]:
    """Let a crowd in, all at once; cut all at the end."""
    members = [SocketMember(wire, "40") for _ in range(size)]
    try:
        await connect_all(wire, members)
        await all_of(members, lambda member: member.packets)
        yield members
    finally:
        for member in members:
            member.tcp.abort()
        await all_of(members, lambda member: member.ended)


async def test_d34_crowd_that_comes_at_once_is_let_in(
    front: str, targets: Callable[..., Target]
) -> None:
    """Nobody is refused by the kernel, and each gets its place; it is judged when a crowd comes
    again, for which the allocators have kept the room of the first, more or less."""
    target, size = targets(front), CROWD[front]
    async with storm(target.wire(), size):
        pass
    peak = 16 * MB + size * ROOM[front]
    async with target.attack(peak=peak, kept=24 * MB, stall=BURST) as attack:
        async with storm(attack.wire, size) as members:
            assert len({member.socket_id for member in members}) == size


# --- D35: silent at once --------------------------------------------------------------------------

SILENT: Final = {"native": scaled(5_000, 400), "asgi": scaled(1_500, 400)}

LIVE: Final = 50

KEPT: Final = {"native": 8 * MB, "asgi": 24 * MB}
"""Tasks that end together leave more behind in the allocators."""

SLICE: Final = {"native": 0.1, "asgi": 0.4}
"""Seconds of a turn: ours closes 256, in 20 ms; a host ends all its tasks in one."""


class Sleeper(SocketMember):
    """Answers pings until it falls asleep.

    Attributes:
        heard: When it answered last, on the monotonic clock.
    """

    is_awake = True
    heard = 0.0

    def text_received(self, data: bytes) -> None:
        """Hear no ping in sleep."""
        if self.is_awake or data != b"2":
            if data == b"2":
                self.heard = time.monotonic()
            super().text_received(data)


async def test_d35_those_who_fall_silent_are_closed_and_nobody_else(
    front: str, targets: Callable[..., Target]
) -> None:
    """None too early, and in slices."""
    target, size = targets(front, **HASTY), SILENT[front]
    members = [Sleeper(target.wire(), "40") for _ in range(size + LIVE)]
    async with crowd(target.wire(), members):  # judged is whether another crowd takes more room
        await all_of(members, lambda member: member.packets)
    peak = 16 * MB + size * ROOM[front]
    bounds = {"peak": peak, "kept": KEPT[front], "stall": SLICE[front]}
    async with target.attack(**bounds) as attack:
        members = [Sleeper(attack.wire, "40") for _ in range(size + LIVE)]
        silent, live = members[:size], members[size:]
        async with crowd(attack.wire, members):
            await all_of(members, lambda member: member.packets)
            for member in silent:
                member.is_awake = False
            await all_of(silent, lambda member: member.ended)
            patience = HASTY["ping_interval"] + HASTY["ping_timeout"] - 0.1
            for member in silent:  # a ping may have lain here unread when it fell asleep
                assert (member.ended or 0.0) - max(member.heard, member.opened) >= patience
            for member in live:
                member.send('427["honest",1]')
            await all_of(live, lambda member: member.packets[1:] == ["437[1]"])
