"""A client that reads a hundredth of what it is sent: row D22."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.security.crowd import PollingMember, SocketMember, crowd
from tests.security.judge import MB
from tests.security.settings import IS_FULL
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.security.judge import Target
    from tests.support.fronts import Wire

OPTIONS: Final[dict[str, Any]] = {} if IS_FULL else {"max_backlog": MB // 4}
"""At the default of 16 MB it takes longer until the bound is reached."""

BACKLOG: Final = OPTIONS.get("max_backlog", 16 * MB)

EVENTS: Final = 10
SIZE: Final = 4_000
"""Ten events of 4 kB each 10 ms: forty times the speed of the catalogue."""

SIP: Final = 0.1
"""Seconds between two looks of the reader at what has come, at most a receive buffer."""

BURSTS: Final = (8 * MB + 2 * BACKLOG) // (EVENTS * SIZE)
"""The kernel takes some megabytes too."""

KEPT: Final = 12 * MB
"""Of the default backlog, the allocator keeps 9.6 MB, which the next one takes: it is no growth."""

STREAMS: Final = "tests.security.scenarios.streams"


class _Sips:
    """Lets a member read once in a while."""

    is_slow = False
    tcp: asyncio.Transport

    def data_received(self, data: bytes) -> None:
        """Enough for now."""
        super().data_received(data)  # type: ignore[misc]
        if self.is_slow:
            self.tcp.pause_reading()

    async def sip(self) -> None:
        """Read some, now and then."""
        self.is_slow = True
        self.tcp.pause_reading()
        while not self.tcp.is_closing():
            await asyncio.sleep(SIP)
            self.tcp.resume_reading()

    def gulp(self) -> None:
        """Read on as fast as possible."""
        self.is_slow = False
        self.tcp.resume_reading()


class SlowSocket(_Sips, SocketMember):
    """On a WebSocket."""


class SlowPoller(_Sips, PollingMember):
    """On polling."""


SlowMember = SlowSocket | SlowPoller


def numbers(member: SlowMember) -> list[int]:
    """Numbers of the events that have come."""
    events = [packet for packet in member.packets if packet.startswith('42["n"')]
    return [json.loads(event.removeprefix("42"))[1] for event in events]


@asynccontextmanager
async def slow_reader(wire: Wire, transport: str) -> AsyncIterator[tuple[SlowMember, str]]:
    """A client that sips, and the id of its socket."""
    member: SlowMember
    member = SlowSocket(wire, "40") if transport == "websocket" else SlowPoller(wire)
    async with crowd(wire, [member], reads=False):
        if isinstance(member, SlowPoller):
            await until(lambda: member.sid)
            reply = await (await wire.http()).post(wire.target(sid=member.sid), "40")
            assert reply.text == "ok"
        await until(lambda: member.packets)
        socket_id = json.loads(member.packets[0].removeprefix("40"))["sid"]
        sipping = asyncio.create_task(member.sip())
        yield member, socket_id
        sipping.cancel()
        if isinstance(member, SlowPoller) and member.status == 200:
            await (await wire.http()).post(wire.target(sid=member.sid), "1")


async def test_d22_slow_reader_is_closed_at_the_bound_and_got_a_beginning(
    front: str, targets: Callable[..., Target], transport: str
) -> None:
    target = targets(front, **OPTIONS)
    async with target.attack(peak=16 * MB + BACKLOG, kept=KEPT) as attack:
        async with slow_reader(attack.wire, transport) as (member, socket_id):
            emitted = await target.do(
                f"{STREAMS}.pour",
                socket_id=socket_id,
                bursts=BURSTS,
                events=EVENTS,
                size=SIZE,
                kept=1,
            )
            assert BACKLOG / SIZE * 0.9 < emitted < BURSTS * EVENTS
            member.gulp()
            if isinstance(member, SlowPoller):
                await until(lambda: member.status == 400)
            else:
                await until(lambda: member.ended is not None)
            assert numbers(member) == list(range(len(numbers(member))))
            assert len(numbers(member)) < emitted
        assert "127.0.0.1: backlog exceeded: the peer does not read" in target.output


@pytest.mark.parametrize("kept", [0, 50])
async def test_d22_slow_reader_of_volatile_events_stays_and_misses_some(
    front: str, targets: Callable[..., Target], transport: str, kept: int
) -> None:
    """What is not volatile among them arrives, and all of it in its order."""
    target = targets(front, **OPTIONS)
    async with (
        target.attack(peak=16 * MB + BACKLOG, kept=KEPT) as attack,
        slow_reader(attack.wire, transport) as (member, socket_id),
    ):
        emitted = await target.do(
            f"{STREAMS}.pour",
            socket_id=socket_id,
            bursts=BURSTS // 3,
            events=EVENTS,
            size=SIZE,
            kept=kept,
        )
        assert emitted == BURSTS // 3 * EVENTS
        member.gulp()
        await target.do(f"{STREAMS}.say", socket_id=socket_id, event="end")
        await until(lambda: member.packets[-1] == '42["end"]')
        got = numbers(member)
        assert got == sorted(set(got)) and 0 < len(got) < emitted / 2
        assert kept == 0 or set(range(0, emitted, kept)) <= set(got)
