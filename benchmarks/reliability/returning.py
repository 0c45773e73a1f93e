"""Clients of ours that come back, in a process of their own.

    python -m benchmarks.reliability.returning PORT COUNT

Prints `ready` when all are connected. Each line on standard input says when they lost their server,
and asks for the times at which they were back, as soon as all are. The clock is the one that all
processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from benchmarks.reliability.report import allow_many_descriptors
from sockwave import ClientSocket, connect
from sockwave.platform import new_event_loop

TOGETHER = 200
"""Clients that connect at a time, at first."""


async def come_back(port: int, count: int) -> None:
    """Connect, and tell of each return."""
    returned: dict[int, float] = {}
    sockets: list[ClientSocket] = []
    for first in range(0, count, TOGETHER):
        portion = []
        for number in range(first, min(first + TOGETHER, count)):
            socket = connect(f"http://127.0.0.1:{port}", transports=["websocket"])

            def connected(number: int = number) -> None:
                returned[number] = time.monotonic()

            def lost(number: int = number) -> None:
                returned.pop(number, None)

            socket.on("connect", connected)
            socket.on("disconnect", lost)
            portion.append(socket)
        await asyncio.gather(*(socket.wait_connected(30) for socket in portion))
        sockets += portion
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        lost_at = float(line)
        while len(returned) < count or min(returned.values()) < lost_at:
            await asyncio.sleep(0.01)
        print(json.dumps(sorted(returned.values())), flush=True)


def main() -> None:
    """Run them."""
    allow_many_descriptors()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(come_back(int(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    main()
