"""Floods while everything is logged: row D39."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.security.judge import MB
from tests.security.settings import scaled
from tests.security.ways import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

EVENTS: Final = scaled(100_000, 5_000)
PORTION: Final = 5_000
"""Events between two answers that are waited for: a second, where each makes a line."""
MESSAGES: Final = scaled(20_000, 1_000)
SIZE: Final = 500
"""Of a message to all, honest clients too: all of them together stay below `max_backlog`."""

PEAK: Final = 24 * MB
"""The attacker does not read the messages to all while they are sent."""

SLOWER: Final = 10

SECRET: Final = "secret"

TRIM: Final = "tests.security.scenarios.memory.trim"
CPU: Final = "tests.security.scenarios.costs.processor_time"

LONGEST: Final = 128 + 100
"""Characters of a line: what is shown of the peer's, and what stands around it."""


async def flood(target: Target) -> float:
    """Send events, and let the server send to all; how much processor time both took."""
    name = "n" * 250
    runs = Counter({name: EVENTS, "echo": EVENTS // PORTION})
    async with target.attack(runs=runs, stall=0.2, peak=PEAK) as attack:
        peer = await attack.wire.open_websocket(token=f"{SECRET}-in-query")
        await peer.connect(auth={"token": f"{SECRET}-in-auth"})
        before: float = await target.do(CPU)
        writer = peer.websocket.http.writer
        portion = text(f'42["{name}","{SECRET}-in-event"]') * PORTION + text('427["echo"]')
        for _ in range(0, EVENTS, PORTION):
            writer.write(portion)
            await writer.drain()
            while await peer.receive() != "437[]":
                pass
        await target.do("tests.security.scenarios.streams.broadcast", count=MESSAGES, size=SIZE)
        after: float = await target.do(CPU)
        polling = await attack.wire.get(
            attack.wire.target(token=f"{SECRET}-in-query"),
            Cookie=f"session={SECRET}-in-cookie",
            Authorization=f"Bearer {SECRET}-in-header",
        )
        sid = polling.text.partition('"sid":"')[2].partition('"')[0]
        await (await attack.wire.http()).post(attack.wire.target(sid=sid), "1")
        assert sid not in target.output and peer.sid not in target.output
        await target.do(TRIM)
    return after - before


async def test_d39_debug_output_costs_time_and_tells_no_secrets(
    front: str, targets: Callable[..., Target]
) -> None:
    quiet = await flood(targets(front))
    target = targets(front, debug=True)
    loud = await flood(target)
    assert loud < SLOWER * quiet, f"{loud:.3f} s with debug output, {quiet:.3f} s without"
    lines = [line for line in target.output.splitlines() if line.startswith("DEBUG sockwave")]
    assert len(lines) >= EVENTS + MESSAGES
    assert max(map(len, lines)) <= LONGEST
    assert not [line for line in lines if SECRET in line]
