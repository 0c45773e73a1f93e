"""Clients that do not read what they are sent, beside others that do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sockwave.codec.websocket import server_frame
from tests.security.crowd import CROWD_DEADLINE, Reader, SocketMember, crowd
from tests.security.judge import MB
from tests.security.scenarios.backlogs import numbered
from tests.security.settings import scaled
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.security.judge import Target

TRIM: Final = "tests.security.scenarios.memory.trim"
"""What was freed may stay with the C library, between what it has given out since."""

BACKLOGS: Final = "tests.security.scenarios.backlogs"

SIZE: Final = 2_000
"""Bytes of a message."""

PATIENCE: Final = 280.0
"""Seconds that the server may take to send it all."""

NARROW: Final[dict[str, Any]] = {"limits": {"process_backlog": 24 * MB}}


def _event(number: int) -> bytes:
    return server_frame(f'42["news","{numbered(number, SIZE)}"]'.encode())


async def _connected(members: Sequence[SocketMember], *, reading: bool) -> list[str]:
    """Wait until all have joined, and let those who are silent read no more."""
    await until(lambda: all(member.packets for member in members), CROWD_DEADLINE)
    if not reading:
        for member in members:
            member.tcp.pause_reading()
    return [member.socket_id for member in members]


async def test_d19_one_that_does_not_read_among_many_that_do(
    front: str, targets: Callable[..., Target]
) -> None:
    count = scaled(60_000, 16_000)
    events = b"".join(map(_event, range(count)))
    target = targets(front)
    async with target.attack(peak=24 * MB) as attack:
        readers = [Reader(attack.wire, "40") for _ in range(scaled(100, 5))]
        silent = [SocketMember(attack.wire, "40")]
        async with crowd(attack.wire, readers), crowd(attack.wire, silent, reads=False):
            reading = await _connected(readers, reading=True)
            for reader in readers:
                reader.expect(events, len(_event(0)))
            arguments = {"reading": reading, "silent": await _connected(silent, reading=False)}
            left = await target.do(
                f"{BACKLOGS}.broadcast",
                PATIENCE,
                **arguments,
                count=count,
                size=SIZE,
                together=50,
            )
            await until(lambda: all(reader.events == count for reader in readers), CROWD_DEADLINE)
            assert (left[0], left[-1]) == (1, 0)
        await target.do(TRIM)


async def test_d20_many_that_do_not_read_share_their_frames(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front)
    count = scaled(1_000, 100)
    host = 96 * 1_024 * count if front == "asgi" else 0  # buffers of its own, not shared
    bounds = {"peak": 64 * MB + host, "kept": 8 * MB + host, "stall": scaled(4, 1) / 10}
    async with target.attack(**bounds) as attack:
        silent = [SocketMember(attack.wire, "40") for _ in range(count)]
        async with crowd(attack.wire, silent, reads=False):
            arguments = {"reading": [], "silent": await _connected(silent, reading=False)}
            left = await target.do(
                f"{BACKLOGS}.broadcast",
                PATIENCE,
                **arguments,
                count=12_000,
                size=SIZE,
                together=5,
            )
            assert left[0] == count
            assert left[-1] < count
        await target.do(TRIM)


async def test_d20_largest_backlog_ends_first(front: str, targets: Callable[..., Target]) -> None:
    target = targets(front, **NARROW)
    async with target.attack(peak=40 * MB) as attack:
        silent = [SocketMember(attack.wire, "40") for _ in range(8)]
        async with crowd(attack.wire, silent, reads=False):
            ids = await _connected(silent, reading=False)
            counts = [8_000, *[4_000] * 7]
            arguments = {"ids": ids, "counts": counts, "size": SIZE}
            left = await target.do(f"{BACKLOGS}.send", PATIENCE, **arguments)
            assert (await target.do("counts"))["backlog"] <= 24 * MB
            assert 0 < len(left) < len(ids)
            assert ids[0] not in left
        await target.do(TRIM)


async def test_d21_poll_that_never_comes(front: str, targets: Callable[..., Target]) -> None:
    target = targets(front)
    async with target.attack(peak=24 * MB) as attack:
        peer = await attack.wire.open_polling()
        await peer.send("40")
        id_ = await target.do(f"{BACKLOGS}.newest")
        arguments = {"ids": [id_], "counts": [50_000], "size": SIZE}
        assert await target.do(f"{BACKLOGS}.send", PATIENCE, **arguments) == []
        reply = await peer.post("3")
        assert reply.status == 400
        assert reply.json() == {"code": 1, "message": "Session ID unknown"}
        await target.do(TRIM)
