"""Floods while everything is logged: row D39."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.security.settings import scaled
from tests.security.ways import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

EVENTS: Final = scaled(100_000, 5_000)
MESSAGES: Final = scaled(20_000, 1_000)

SLOWER: Final = 10

SECRET: Final = "secret"

CPU: Final = "tests.security.scenarios.costs.processor_time"

LONGEST: Final = 128 + 100
"""Characters of a line: what is shown of the peer's, and what stands around it."""


async def flood(target: Target) -> float:
    """Send events, and let the server send to all; how much processor time both took."""
    name = "n" * 250
    runs = Counter({name: EVENTS, "echo": 1})
    async with target.attack(runs=runs, stall=0.2) as attack:
        peer = await attack.wire.open_websocket(token=f"{SECRET}-in-query")
        await peer.connect(auth={"token": f"{SECRET}-in-auth"})
        before: float = await target.do(CPU)
        writer = peer.websocket.http.writer
        writer.write(text(f'42["{name}","{SECRET}-in-event"]') * EVENTS)
        writer.write(text('427["echo"]'))
        await writer.drain()
        while await peer.receive() != "437[]":
            pass
        await target.do("tests.security.scenarios.streams.broadcast", count=MESSAGES, size=2_000)
        after: float = await target.do(CPU)
        polling = await attack.wire.get(
            attack.wire.target(token=f"{SECRET}-in-query"),
            Cookie=f"session={SECRET}-in-cookie",
            Authorization=f"Bearer {SECRET}-in-header",
        )
        sid = polling.text.partition('"sid":"')[2].partition('"')[0]
        await (await attack.wire.http()).post(attack.wire.target(sid=sid), "1")
        assert sid not in target.output and peer.sid not in target.output
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
